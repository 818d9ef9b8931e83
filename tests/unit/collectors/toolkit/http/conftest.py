from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pytest

from collectors.toolkit.http import Profile
from collectors.toolkit.testing.odd_site import odd_site
from tests.unit.collectors.toolkit.http.drivers import HERE, WAYS, Driver


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    with odd_site() as url:
        yield url


@pytest.fixture(params=WAYS)
def drive(request: pytest.FixtureRequest) -> Iterator[Callable[..., Driver]]:
    """Makes a client with a profile; the test runs once for each way to call it."""
    with ExitStack() as stack:

        def make(profile: Profile = HERE, **options: Any) -> Driver:
            return stack.enter_context(closing(Driver(request.param, profile, **options)))

        yield make
