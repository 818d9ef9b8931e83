"""Supervisors for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.apps.runtime.supervision.stand import Stand


@pytest.fixture(scope="session")
def shared_stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("supervision"))
    yield stand
    stand.close()


@pytest.fixture
def stand(shared_stand: Stand) -> Stand:
    """The stand that tests share which leave its forkserver alone."""
    # Other tests of this process have started servers meanwhile.
    shared_stand.supervisor._orphanage.spare_present()
    return shared_stand


@pytest.fixture
def own_stand(tmp_path: Path) -> Iterator[Stand]:
    """A stand of the test's own, whose forkserver is asked for every run."""
    stand = Stand(tmp_path, ahead=False)
    yield stand
    stand.close()


@pytest.fixture(params=["warm", "cold"])
def warm(request: pytest.FixtureRequest) -> bool:
    """Both ways to start."""
    return bool(request.param == "warm")
