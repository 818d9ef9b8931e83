"""Errors by fingerprint: counted while they are shipped, and dealt with by people."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoAssertNumQueries

from apps.logs.group_models import ErrorGroup, ErrorGroupApp
from apps.logs.groups import apply_groups, in_inbox
from apps.logs.inbox import SnoozeIsOver, reopen_groups, resolve_groups, snooze_groups
from apps.logs.storage import Line, Origin, line_from_frame
from apps.runtime.models import State
from collectors.toolkit.journal import Frame
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BY: Any = {"actor": None, "source": "ADMIN"}
ERRORS = "/admin/logs/errorgroup/"


def line(print_: str = "a", *, app: int | None = None, run: str | None = None, minute: int = 0, **data: Any) -> Line:
    data = {"event": "page.failed", "level": 40, "fp": print_ * 32 if len(print_) == 1 else print_, **data}
    at = (NOW + timedelta(minutes=minute)).timestamp()
    return line_from_frame(Frame(minute + 1, "log", at, data, 0), Origin(run, app, "j" * 32), minute + 1)


def group(print_: str = "a") -> ErrorGroup:
    return ErrorGroup.objects.get(pk=print_ * 32)


def test_lines_of_one_fingerprint_are_one_group() -> None:
    app = make_app().pk
    apply_groups([line(minute=2, app=app), line(minute=1, app=app, exc="Trace\nValueError: 'x' is no price\n")])
    apply_groups([line(minute=5, run="r" * 32), line("b"), line("", minute=9)])

    assert ErrorGroup.objects.count() == 2
    found = group()
    assert (found.count, found.title, found.level) == (3, "ValueError: 'x' is no price", 40)
    assert (found.first_seen_at, found.last_seen_at) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=5))
    assert (found.last_runtime_id, found.last_line_number) == ("r" * 32, 6)
    assert [(entry.app_id, entry.count) for entry in found.apps.all()] == [(app, 2)]


def test_what_is_shipped_late_counts_and_changes_nothing_newer() -> None:
    apply_groups([line(minute=5, run="n" * 32)])
    apply_groups([line(minute=1, run="o" * 32, level=50)])

    found = group()
    assert (found.count, found.level, found.last_runtime_id) == (2, 50, "n" * 32)
    assert found.first_seen_at == NOW + timedelta(minutes=1)
    assert found.last_seen_at == NOW + timedelta(minutes=5)


def test_a_batch_costs_two_queries_however_many_lines_it_has(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    app = make_app().pk
    with django_assert_max_num_queries(2):
        apply_groups([line(f"{number % 300:032x}", app=app, minute=number) for number in range(5_000)])
    assert ErrorGroup.objects.count() == 300
    with django_assert_max_num_queries(0):
        apply_groups([line("")])


def test_any_text_makes_a_title() -> None:
    apply_groups([line("a", event="x" * 1_000), line("b", event=""), line("c", event="100 %s {} 'quoted'")])

    assert len(group("a").title) == 300
    assert group("b").title == "(an error without a text)"
    assert group("c").title == "100 %s {} 'quoted'"


@pytest.mark.django_db(transaction=True)
def test_shippers_count_at_the_same_time_without_losing_one_or_waiting_for_ever() -> None:
    app, problems = make_app().pk, list[Exception]()
    prints = [f"{number:032x}" for number in range(40)]

    def ship(turn: int) -> None:
        ordered = prints if turn % 2 else prints[::-1]
        try:
            for _ in range(10):
                with transaction.atomic():
                    apply_groups([line(one, app=app) for one in ordered])
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            problems.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=ship, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert problems == []
    assert set(ErrorGroup.objects.values_list("count", flat=True)) == {40}
    assert set(ErrorGroupApp.objects.values_list("count", flat=True)) == {40}


def test_a_resolved_error_comes_back_when_it_happens_again_and_not_before() -> None:
    apply_groups([line(minute=1)])
    assert resolve_groups(ErrorGroup.objects.all(), now=NOW + timedelta(minutes=10), **BY) == 1
    apply_groups([line(minute=5)])  # happened before it was resolved, and was shipped late
    assert group().state == "RESOLVED"
    apply_groups([line(minute=11)])

    assert group().state == "OPEN"


def test_a_snoozed_error_stays_out_of_the_inbox_until_its_time() -> None:
    apply_groups([line("a"), line("b")])
    snooze_groups(ErrorGroup.objects.filter(pk="a" * 32), until=NOW + timedelta(days=1), now=NOW, **BY)
    apply_groups([line("a", minute=3)])

    def inbox(now: datetime) -> set[str]:
        return set(ErrorGroup.objects.filter(in_inbox(now=now)).values_list("pk", flat=True))

    assert inbox(NOW) == {"b" * 32}
    assert inbox(NOW + timedelta(days=1)) == {"a" * 32, "b" * 32}
    assert reopen_groups(ErrorGroup.objects.all(), now=NOW, **BY) == 2
    assert len(inbox(NOW)) == 2
    with pytest.raises(SnoozeIsOver):
        snooze_groups(ErrorGroup.objects.all(), until=NOW, now=NOW, **BY)


def test_the_page_shows_the_inbox_with_apps_and_links() -> None:
    run = make_run(make_app(), State.FAILED)
    apply_groups(
        [line(app=run.app_id, run=run.pk, minute=3, event="<b>daring</b>"), line("b", event="of the platform")]
    )
    resolve_groups(ErrorGroup.objects.filter(pk="b" * 32), now=NOW + timedelta(days=1), **BY)
    client = signed_in("viewer")
    page = client.get(ERRORS).text
    assert "&lt;b&gt;daring&lt;/b&gt;" in page
    assert run.app.code in page
    assert f"/admin/runtime/runtime/{run.pk}/log/#L4" in page
    assert f"/admin/logs/log/?q=group%3A{'a' * 32}" in page
    assert "of the platform" not in page
    assert "of the platform" in client.get(f"{ERRORS}?state=all").text
    assert "of the platform" in client.get(f"{ERRORS}?state=RESOLVED").text
    assert "daring" in client.get(f"{ERRORS}?app={run.app_id}").text
    assert "daring" not in client.get(f"{ERRORS}?app=nonsense").text


def test_the_page_costs_the_same_for_one_and_for_many(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    app = make_app().pk
    apply_groups([line(f"{number:032x}", app=app) for number in range(60)])
    client = signed_in()
    client.get(ERRORS)
    with django_assert_max_num_queries(9):
        assert client.get(ERRORS).status_code == 200


@pytest.mark.parametrize(
    ("action", "state", "said"),
    [
        ("resolve", "RESOLVED", "1 error: resolved; when it happens again, it comes back."),
        ("snooze_a_day", "SNOOZED", "1 error: out of the inbox for 1 day."),
        ("snooze_a_week", "SNOOZED", "1 error: out of the inbox for 7 days."),
        ("reopen", "OPEN", "1 error: back in the inbox."),
        ("take", "OPEN", "1 error: yours."),
    ],
)
def test_an_operator_deals_with_errors(action: str, state: str, said: str) -> None:
    apply_groups([line(app=make_app().pk)])
    client = signed_in("operator")
    query = f"?app={make_app().pk}"
    response = client.post(ERRORS + query, {"action": action, "_selected_action": ["a" * 32]}, follow=True)

    assert messages_of(response) == [said]
    assert group().state == state
    assert (group().assignee is not None) is (action == "take")


def test_a_viewer_only_looks() -> None:
    apply_groups([line()])
    viewer = signed_in("viewer")
    viewer.post(ERRORS, {"action": "resolve", "_selected_action": ["a" * 32]})
    assert group().state == "OPEN"
    assert viewer.get(f"{ERRORS}{'a' * 32}/change/").status_code == 200
    assert viewer.post(f"{ERRORS}{'a' * 32}/change/", {"note": "x"}).status_code == 403
    assert signed_in("").get(ERRORS).status_code == 403
    assert signed_in("superuser").post(f"{ERRORS}{'a' * 32}/delete/", {"post": "yes"}).status_code == 403


def test_an_operator_assigns_and_takes_notes() -> None:
    apply_groups([line()])
    person = make_person("developer")
    signed_in("operator").post(f"{ERRORS}{'a' * 32}/change/", {"assignee": person.pk, "note": "the shop was down"})

    assert (group().assignee, group().note) == (person, "the shop was down")
