"""A shop that sells solutions, and an account there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.servers.anticaptcha import Shop, anticaptcha

if TYPE_CHECKING:
    from apps.captcha.models import SolverAccount


@pytest.fixture
def shop() -> Iterator[Shop]:
    with anticaptcha() as running:
        yield running


@pytest.fixture
def account(shop: Shop) -> SolverAccount:
    from apps.captcha.models import SolverAccount

    return SolverAccount.objects.create(name="shop", url=shop.url, key=shop.key, poll_s=0.01, timeout_s=30)
