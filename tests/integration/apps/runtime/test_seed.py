"""What a fresh installation begins with."""

from __future__ import annotations

import pytest

from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Command
from apps.runtime.seed import BROKEN, seed

pytestmark = pytest.mark.django_db(databases="__all__")


def example(code: str) -> App:
    return App.objects.get(code=code)


def test_the_examples_are_scheduled_started_and_pointed_at_the_demo_shop_once() -> None:
    seed(now=utc_now())
    for code in ("examples.shop.books", BROKEN.code):
        app = example(code)
        assert app.schedule == App.Schedule.INTERVAL
        assert app.args["base_url"].endswith("/demo/")
        assert set(app.commands.values_list("verb", flat=True)) == {"ENABLE", "START"}

    count = Command.objects.count()
    seed(now=utc_now())
    assert Command.objects.count() == count


def test_the_other_examples_wait_for_somebody_to_enable_them_and_point_at_the_demo_shop_too() -> None:
    seed(now=utc_now())

    for name in ("trade", "stock", "outlet"):
        app = example(f"examples.shop.{name}")
        assert (app.is_enabled, app.schedule) == (False, App.Schedule.MANUAL)
        assert app.args["base_url"].endswith("/demo/")
        assert not app.commands.exists()


def test_one_example_is_broken_until_somebody_repairs_it() -> None:
    seed(now=utc_now())
    app = example(BROKEN.code)
    assert app.args["category"] == "Poetri"
    app.args["category"] = "Poetry"
    app.save()

    seed(now=utc_now())
    assert example(BROKEN.code).args["category"] == "Poetry"
