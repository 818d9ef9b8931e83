"""One action on many: drawn up, confirmed once, carried out one by one, and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry, User
from apps.accounts.principal import Principal
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import bulk, tasks
from apps.runtime.bulk_models import BulkItem, BulkJob
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person

pytestmark = pytest.mark.django_db(databases="__all__")

Action = BulkJob.Action


def drawn(action: BulkJob.Action, rows: Any, who: User | None = None, **options: Any) -> BulkJob:
    asker = Principal(user=who or User.objects.filter(username="admin").first() or make_person("admin"))
    return bulk.draft(asker, action, rows, source="ADMIN", now=utc_now(), **options)


def done(job: BulkJob, **options: Any) -> dict[str, tuple[str, str]]:
    """Confirm it and carry it out: what became of each, and why."""
    assert bulk.confirm(job, now=utc_now(), options=options)
    assert bulk.carry_out(job)
    return {item.label: (item.state, item.reason) for item in job.items.all()}


def test_a_preview_does_nothing_and_says_what_would_be_skipped() -> None:
    ready, off, busy = (
        make_app("a.b.ready", is_enabled=True),
        make_app("a.b.off"),
        make_app("a.b.busy", is_enabled=True),
    )
    make_run(busy, State.RUNNING)

    job = drawn(Action.START, App.objects.order_by("pk"))

    assert {item.label: item.reason for item in job.items.all()} == {
        ready.code: "",
        off.code: "It is disabled; enable it first.",
        busy.code: "It is running already.",
    }
    assert (job.total, job.skipped_count, job.to_do) == (3, 2, 1)
    assert not Command.objects.exists()
    assert bulk.carry_out(job)
    assert not Command.objects.exists()


def test_each_is_done_once_however_often_it_is_confirmed_and_carried_out() -> None:
    for number in range(3):
        make_app(f"a.b.app{number}", is_enabled=True)
    job = drawn(Action.START, App.objects.all())

    assert {state for state, _reason in done(job).values()} == {"DONE"}
    assert not bulk.confirm(job, now=utc_now())
    BulkItem.objects.update(state="WAITING")  # as if a worker had died before it wrote down what it did
    BulkJob.objects.update(state="CONFIRMED")
    assert bulk.carry_out(job)

    assert Runtime.objects.count() == Command.objects.count() == 3
    job.refresh_from_db()
    assert (job.state, job.done_count, job.refused_count) == ("DONE", 3, 0)


def test_what_changed_since_the_preview_is_refused_and_the_others_are_done() -> None:
    first, second = make_app("a.b.first", is_enabled=True), make_app("a.b.second", is_enabled=True)
    job = drawn(Action.START, App.objects.all())
    App.objects.filter(pk=second.pk).update(is_enabled=False)

    assert done(job) == {first.code: ("DONE", ""), second.code: ("REFUSED", "a.b.second is disabled; enable it first.")}


def test_permission_is_asked_for_again_when_it_is_done() -> None:
    who = make_person("operator")
    for number in range(2):
        make_app(f"a.b.app{number}", is_enabled=True)
    job = drawn(Action.DISABLE, App.objects.all(), who)
    who.groups.clear()

    assert set(done(job).values()) == {("REFUSED", "You may not do this with it any more.")}
    assert App.objects.filter(is_enabled=True).count() == 2


def test_what_one_may_not_touch_is_left_out_and_counted() -> None:
    own, _foreign = make_app("mine.b.c", is_enabled=True), make_app("other.b.c", is_enabled=True)
    who = make_person("viewer")
    grant(who, "operator", own, whole="group")

    job = drawn(Action.DISABLE, App.objects.all(), who)

    assert ([item.label for item in job.items.all()], job.left_out) == ([own.code], 1)
    with pytest.raises(bulk.NotAllowed, match=r"registry\.delete_app"):
        drawn(Action.REMOVE, App.objects.all(), who)


def test_too_many_are_refused_before_anything_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MOST", 2)
    for number in range(3):
        make_app(f"a.b.app{number}")
    with pytest.raises(bulk.TooMany, match="At most 2"):
        drawn(Action.ENABLE, App.objects.all())
    assert not BulkJob.objects.exists()


@pytest.mark.parametrize(
    ("action", "before", "options", "after"),
    [
        (Action.DISABLE, {"is_enabled": True}, {}, {"is_enabled": False}),
        (Action.ENABLE, {"is_enabled": False}, {}, {"is_enabled": True}),
        (
            *(Action.SCHEDULE, {"schedule": "INTERVAL", "interval_s": 60}),
            *({"schedule": "CRON", "cron": "5 * * * *", "time_zone": "UTC"}, {"schedule": "CRON", "cron": "5 * * * *"}),
        ),
        (Action.OWNER, {"owner_id": None}, {"owner_id": "somebody"}, {"owner_id": "somebody"}),
        (Action.REMOVE, {"remove_after": None}, {"grace_days": 3}, {}),
    ],
)
def test_what_was_done_can_be_taken_back(
    action: BulkJob.Action, before: dict[str, Any], options: dict[str, Any], after: dict[str, Any]
) -> None:
    somebody = make_person("viewer", name="somebody")
    given = {name: somebody.pk if value == "somebody" else value for name, value in options.items()}
    app = make_app(**before)

    job = drawn(action, App.objects.all())
    assert done(job, **given) == {app.code: ("DONE", "")}
    app.refresh_from_db()
    assert {name: getattr(app, name) for name in after} == {
        name: somebody.pk if value == "somebody" else value for name, value in after.items()
    }
    assert bulk.is_undoable(job)
    assert done(bulk.undo(job, job.principal, now=utc_now())) == {app.code: ("DONE", "")}

    app.refresh_from_db()
    assert {name: getattr(app, name) for name in before} == before


def test_a_start_cannot_be_taken_back() -> None:
    make_app(is_enabled=True)
    job = drawn(Action.START, App.objects.all())
    done(job)
    assert not bulk.is_undoable(job)
    with pytest.raises(ValueError, match="cannot be undone"):
        bulk.undo(job, job.principal, now=utc_now())


def test_a_wrong_value_is_refused_with_the_words_of_the_model() -> None:
    app = make_app()
    job = drawn(Action.SCHEDULE, App.objects.all())
    [(state, reason)] = done(job, schedule="CRON", cron="61 * * * *").values()
    assert state == "REFUSED"
    assert "61" in reason
    app.refresh_from_db()
    assert app.schedule == "MANUAL"


def test_the_failure_counter_is_cleared_where_there_is_one() -> None:
    failing, tried, fine = (make_app(f"a.b.{name}") for name in ("failing", "tried", "fine"))
    App.objects.filter(pk=failing.pk).update(failures_in_a_row=2)
    App.objects.filter(pk=tried.pk).update(failures_in_a_row=3, fatal="FAILED", is_on_trial=True)

    found = done(drawn(Action.CLEAR, App.objects.all()))

    assert found[failing.code] == ("DONE", "")
    assert found[tried.code] == ("SKIPPED", "It is on trial: its next run decides.")
    assert found[fine.code] == ("SKIPPED", "No failure is counted.")
    failing.refresh_from_db()
    assert failing.failures_in_a_row == 0


def test_runs_are_run_again_with_the_same_arguments_or_with_new_ones() -> None:
    app, other = make_app(is_enabled=True), make_app("a.b.c", is_enabled=True)
    older, newer = make_run(app, State.FAILED), make_run(app, State.FAILED, limit=7)
    make_run(other, State.RUNNING)

    found = done(drawn(Action.RUN_AGAIN, Runtime.objects.all()))

    assert found[f"{app.code} {newer.pk[:8]}"] == ("DONE", "")
    assert found[f"{app.code} {older.pk[:8]}"] == ("SKIPPED", f"A newer run of {app.code} is among them.")
    queued = Runtime.objects.get(state=State.QUEUED)
    assert (queued.app, queued.limit) == (app, 7)

    queued.finish(State.CANCELLED, at=utc_now())
    again = drawn(Action.RUN_AGAIN, Runtime.objects.filter(pk=newer.pk))
    assert set(done(again, args={}, limit=2, dry_run=True).values()) == {("DONE", "")}
    queued = Runtime.objects.get(state=State.QUEUED)
    assert (queued.limit, queued.is_dry_run) == (2, True)


def test_each_leaves_an_entry_in_the_audit_with_the_number_of_the_whole() -> None:
    for number in range(2):
        make_app(f"a.b.app{number}", is_enabled=True)
    job = drawn(Action.DISABLE, App.objects.all(), address="10.0.0.9")
    done(job)
    entries = AuditEntry.objects.filter(action="bulk.disable")
    assert {(entry.subject, entry.details["bulk"], entry.actor_name, entry.address) for entry in entries} == {
        (f"a.b.app{number}", job.pk, "admin", "10.0.0.9") for number in range(2)
    }
    assert {Command.objects.get(pk=entry.details["command"]).verb for entry in entries} == {"DISABLE"}


def test_runtime_bulk_goes_on_where_a_request_left_off_and_a_fault_of_one_stops_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert tasks.carry_out_bulk.name == "runtime.bulk"
    for number in range(4):
        make_app(f"a.b.app{number}", is_enabled=True)

    def fails_for_one(app: App, *args: Any, **values: Any) -> Command:
        if app.name == "app2":
            raise RuntimeError("nobody thought of this")
        return issue_command(app, *args, **values)

    monkeypatch.setattr("apps.runtime.bulk_actions.issue_command", fails_for_one)
    job, again = drawn(Action.DISABLE, App.objects.order_by("code")), list[int]()
    monkeypatch.setattr(tasks.carry_out_bulk, "apply_async", lambda **_options: again.append(1))
    monkeypatch.setattr(tasks, "SLICE_S", 0.0)
    bulk.confirm(job, now=utc_now())
    assert not bulk.carry_out(job, max_seconds=0)
    for _ in range(3):
        tasks.carry_out_bulk.apply(throw=True)

    job.refresh_from_db()
    assert (job.state, job.done_count, job.refused_count, len(again)) == ("DONE", 3, 1, 2)
    assert "unexpectedly (RuntimeError)" in job.items.get(state="REFUSED").reason


def test_a_job_that_somebody_works_on_is_left_alone_and_a_cancelled_one_ends() -> None:
    for number in range(2):
        make_app(f"a.b.app{number}", is_enabled=True)
    job = drawn(Action.DISABLE, App.objects.all())
    bulk.confirm(job, now=utc_now())
    BulkJob.objects.update(claimed_until=utc_now() + bulk.CLAIM)
    assert bulk.carry_out(job)
    assert App.objects.filter(is_enabled=True).count() == 2

    assert bulk.cancel(job, now=utc_now())
    assert {item.state for item in job.items.all()} == {"CANCELLED"}
    assert not bulk.cancel(job, now=utc_now())
    assert not bulk.open_jobs().exists()


def test_a_preview_of_many_costs_few_queries(django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    for number in range(40):
        make_app(f"a.b.app{number}", is_enabled=True)
    asker = Principal(user=make_person("admin"))
    with django_assert_max_num_queries(11):  # permissions, rows, open runs, count, two inserts and their savepoints
        bulk.draft(asker, Action.RESTART, App.objects.all(), source="ADMIN", now=utc_now())
