"""Choosing many in a list: the preview, the confirmation, the result, and the way back."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime import bulk, bulk_admin
from apps.runtime.bulk_models import BulkJob
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import make_app, make_run
from tests.integration.people import grant, make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

APPS, RUNS, JOBS = "/admin/registry/app/", "/admin/runtime/runtime/", "/admin/runtime/bulkjob/"


def choose(client: Client, address: str, action: str, rows: Any, **values: Any) -> Any:
    chosen = {"action": action, "_selected_action": [row.pk for row in rows], **values}
    return client.post(address, chosen, follow=True)


def press(client: Client, name: str, **values: Any) -> Any:
    """A button on the page of the newest job."""
    return client.post(f"{JOBS}{BulkJob.objects.latest('created_at').pk}/{name}/", values, follow=True)


def test_many_are_started_after_a_preview_and_the_result_names_each() -> None:
    ready, off = make_app(is_enabled=True), make_app("a.b.off")
    client = signed_in("operator")

    preview = choose(client, APPS, "start_apps", [ready, off]).text
    assert "Run now: 1 app" in preview
    assert "It is disabled; enable it first." in preview
    assert "Nothing has been done yet" in preview
    assert not Command.objects.exists()

    result = press(client, "confirm").text
    run = Runtime.objects.get()
    assert f"/admin/runtime/runtime/{run.pk}/change/" in result
    assert f"/admin/runtime/command/{Command.objects.get().pk}/change/" in result
    assert "1 app started" in result
    press(client, "confirm")  # the second of two clicks
    assert Runtime.objects.count() == 1


def test_all_that_match_a_filter_are_chosen_beyond_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_admin, "PATIENCE_S", None)
    for number in range(60):
        make_app(f"prices.acme.app{number:02}", is_enabled=True)
    kept = make_app("other.b.c", is_enabled=True)
    client = signed_in("operator")

    choose(client, f"{APPS}?q=acme", "disable_apps", App.objects.filter(code="prices.acme.app00"), select_across="1")
    result = press(client, "confirm").text

    assert "60 apps disabled" in result
    assert list(App.objects.filter(is_enabled=True)) == [kept]
    assert BulkJob.objects.get().back == f"{APPS}?q=acme"

    press(client, "undo")
    assert "60 apps enabled" in press(client, "confirm").text
    assert App.objects.filter(is_enabled=True).count() == 61


def test_what_takes_long_goes_on_without_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_admin, "PATIENCE_S", 0.0)
    apps = [make_app(f"a.b.app{number}", is_enabled=True) for number in range(3)]
    client = signed_in("operator")
    choose(client, APPS, "disable_apps", apps)

    page = press(client, "confirm").text
    assert "1 of 2" not in page
    assert "1 of 3" in page
    assert "data-live-done" not in page
    assert bulk.carry_out(BulkJob.objects.get())
    part = client.get(f"{JOBS}{BulkJob.objects.get().pk}/live/").text
    assert "3 apps disabled" in part
    assert "data-live-done" in part


def test_a_schedule_and_an_owner_are_asked_for_and_faults_are_told() -> None:
    app, client, owner = make_app(), signed_in("operator"), make_person("viewer", name="ana")
    choose(client, APPS, "change_schedule", [app])
    wrong = press(client, "confirm", schedule="CRON", cron="61 * * * *", time_zone="UTC").text
    assert "61" in wrong
    assert BulkJob.objects.get().state == BulkJob.State.DRAFT
    press(client, "confirm", schedule="CRON", cron="5 * * * *", time_zone="Europe/Zagreb")
    choose(client, APPS, "assign_owner", [app])
    press(client, "confirm", owner=owner.pk)

    app.refresh_from_db()
    assert (app.cron, app.time_zone, app.owner) == ("5 * * * *", "Europe/Zagreb", owner)


def test_a_cancelled_preview_leads_back_to_the_list_and_removal_is_for_administrators() -> None:
    app = make_app()
    choose(signed_in("operator"), APPS, "remove_apps", [app])
    assert not BulkJob.objects.exists()
    client = signed_in("admin")
    choose(client, f"{APPS}?q=books", "remove_apps", [app])
    response = press(client, "cancel")
    assert response.redirect_chain[-1][0] == f"{APPS}?q=books"
    assert messages_of(response) == ["Cancelled; nothing more is done."]
    choose(client, APPS, "remove_apps", [app])
    press(client, "confirm", grace_days=5)
    app.refresh_from_db()
    assert app.remove_after is not None


def test_runs_are_stopped_and_run_again_from_their_list() -> None:
    app, other = make_app(is_enabled=True), make_app("examples.debian.python_docs", is_enabled=True)
    waiting, failed = make_run(app), make_run(other, State.FAILED)
    client = signed_in("operator")

    preview = choose(client, RUNS, "stop_runs", [waiting, failed]).text
    assert "It has ended." in preview
    press(client, "confirm")
    waiting.refresh_from_db()
    assert waiting.state == State.CANCELLED

    choose(client, RUNS, "run_again", [failed])
    assert "valid JSON" in press(client, "confirm", args="{nonsense").text
    press(client, "confirm", args="")
    assert Runtime.objects.filter(app=other, state=State.QUEUED).count() == 1


def test_a_list_is_exported_without_formulas_and_the_audit_knows() -> None:
    app = make_app(description="=HYPERLINK(1)")
    answer = choose(signed_in("viewer"), APPS, "export_apps", [app])
    assert answer["Content-Type"].startswith("text/csv")
    assert "'=HYPERLINK(1)" in answer.text
    assert AuditEntry.objects.filter(action="app.exported").count() == 1
    run = make_run(app, State.FAILED, cause="No such host.")
    assert f"{run.pk},{app.code},FAILED" in choose(signed_in("viewer"), RUNS, "export_runs", [run]).text


def test_one_sees_ones_own_and_confirms_nobody_elses() -> None:
    own, _other = make_app("mine.b.c", is_enabled=True), make_app("other.b.c", is_enabled=True)
    grant(make_person("", name="part"), "operator", own, whole="group")
    part, operator, viewer = signed_in("part"), signed_in("operator"), signed_in("viewer")
    choose(operator, APPS, "disable_apps", App.objects.all())
    foreign = BulkJob.objects.get()
    choose(part, APPS, "disable_apps", [own])
    mine = BulkJob.objects.exclude(pk=foreign.pk).get()

    assert part.get(f"{JOBS}{foreign.pk}/change/").status_code == 404
    assert foreign.pk not in part.get(JOBS).text
    assert part.get(f"{JOBS}{mine.pk}/change/").status_code == 200
    for client in (viewer, part):
        assert client.post(f"{JOBS}{foreign.pk}/confirm/").status_code in (403, 404)
    assert viewer.get(f"{JOBS}{foreign.pk}/change/").status_code == 200
    assert "/confirm/" not in viewer.get(f"{JOBS}{foreign.pk}/change/").text
    assert App.objects.filter(is_enabled=True).count() == 2


def test_the_list_and_the_page_cost_the_same_for_one_and_for_many(
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = signed_in("superuser")
    for number in range(20):
        choose(client, APPS, "enable_apps", [make_app(f"a.b.app{number}")])
    choose(client, APPS, "enable_apps", App.objects.all())
    with django_assert_max_num_queries(5):  # session, user, count, page
        assert client.get(JOBS).status_code == 200
    with django_assert_max_num_queries(5):  # session, user, job, items
        assert client.get(f"{JOBS}{BulkJob.objects.latest('created_at').pk}/change/").status_code == 200
    assert utc_now() > BulkJob.objects.latest("created_at").created_at
