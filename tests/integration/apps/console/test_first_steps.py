"""The first steps on Home: ticked off by what somebody did, gone when they want."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.audit import record
from apps.accounts.models import AuditEntry, User
from apps.console.first_steps import first_steps
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.models import Command, State
from apps.runtime.seed import BROKEN
from apps.runtime.services import issue_command
from collectors.sources.examples.shop.books.models import Book
from tests.integration.factories import book, make_app, make_run
from tests.integration.people import make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def books() -> App:
    make_app(BROKEN.code)
    return make_app(is_enabled=True)


def done(name: str) -> set[str]:
    person = User.objects.get(username=name)
    return {step.name for step in first_steps(person, now=utc_now()) if step.is_done}


def test_each_step_is_ticked_by_what_was_done(books: App) -> None:
    browser, now = signed_in("admin"), utc_now()
    person = User.objects.get(username="admin")
    run = make_run(books, State.SUCCEEDED)
    row = Book.objects.create(**book(1))
    assert done("admin") == set()

    browser.get(f"/admin/runtime/runtime/{run.pk}/change/")
    assert done("admin") == {"run"}
    browser.get(f"/admin/examples_shop_books/book/{row.pk}/change/")
    issue_command(books, Command.Verb.STOP, source=Command.Source.ADMIN, issuer=person, now=now)
    make_run(App.objects.get(code=BROKEN.code), State.SUCCEEDED)
    told: dict[str, Any] = {"source": "ADMIN", "actor": person, "now": now}
    record("app.changed", books.code, obj=books, after={"cron": "5 * * * *"}, **told)
    record("channel.tested", "Operators", **told)
    make_app("prices.acme.shop")
    assert done("admin") == {"run", "row", "stop", "repair", "schedule", "channel", "source"}
    assert "7 of 7 done" in browser.get("/admin/").text


def test_what_others_did_or_what_was_refused_ticks_nothing_off(books: App) -> None:
    browser, other = signed_in("operator"), make_person("admin")
    issue_command(books, Command.Verb.STOP, source=Command.Source.ADMIN, issuer=other, now=utc_now())
    record("channel.tested", "Operators", source="ADMIN", actor=other, now=utc_now())
    browser.get("/admin/runtime/runtime/0/change/")
    browser.get("/admin/registry/app/")

    assert done("operator") == set()
    assert not User.objects.get(username="operator").preferences


def test_a_schedule_that_is_set_in_the_form_counts(books: App) -> None:
    browser = signed_in("operator")
    form = browser.get(f"/admin/registry/app/{books.pk}/change/").context["adminform"].form
    values = {name: "" if value is None else value for name, value in form.initial.items()}
    values |= {"schedule": "CRON", "cron": "5 * * * *", "tags": "[]", "args": "{}"}
    answer = browser.post(f"/admin/registry/app/{books.pk}/change/", values)

    assert answer.status_code == 302, answer.context["errors"]
    assert AuditEntry.objects.filter(object_type="registry.app", after__has_key="cron").exists()
    assert done("operator") == {"schedule"}


def test_people_are_offered_what_they_may_do(books: App) -> None:
    signed_in("viewer")
    steps = first_steps(User.objects.get(username="viewer"), now=utc_now())
    assert [step.name for step in steps] == ["run", "row"]


def test_the_card_is_hidden_for_good_by_one_and_shown_to_others(books: App) -> None:
    browser, other = signed_in("operator"), signed_in("viewer")
    assert "First steps" in browser.get("/admin/").text

    assert browser.post("/admin/first-steps/hide/").status_code == 302
    assert "First steps" not in browser.get("/admin/").text
    assert "First steps" in other.get("/admin/").text


def test_nobody_who_has_been_here_for_long_or_has_no_examples_sees_it(
    books: App, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    person, now = make_person("admin"), utc_now()
    User.objects.filter(pk=person.pk).update(date_joined=now - timedelta(days=31))
    person.refresh_from_db()
    with django_assert_num_queries(0):
        assert first_steps(person, now=now) == []

    newcomer: Client = signed_in("viewer")
    App.objects.all().delete()
    assert "First steps" not in newcomer.get("/admin/").text
