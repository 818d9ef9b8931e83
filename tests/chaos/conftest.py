"""What the acceptance tests start their processes with, and a database without the tables of other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.acceptance.conftest import manage

__all__ = ["manage"]


@pytest.fixture(scope="module")
def own_database(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """These tests bring a server of their own: nothing is migrated for them, and nothing emptied behind them."""
    with django_db_blocker.unblock():
        yield
