"""What the search boxes over runs and commands find, and what they read for it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from apps.core.clock import utc_now
from apps.runtime import searching
from apps.runtime.admin import CommandAdmin, RuntimeAdmin
from apps.runtime.models import Command, Runtime, State
from apps.runtime.searching import search
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_person, messages_of, signed_in

RUNS, COMMANDS = "/admin/runtime/runtime/", "/admin/runtime/command/"

pytestmark = pytest.mark.django_db


def test_each_word_is_found_in_the_app_the_id_or_the_cause_of_a_run() -> None:
    books, docs = make_app(), make_app("examples.debian.python_docs")
    good = make_run(books, State.SUCCEEDED)
    slow = make_run(books, State.FAILED, cause="The site answered 503 too often.")
    dead = make_run(docs, State.CRASHED, cause="Its process was killed; books were open.")
    for term, runs in {
        "python_docs": {dead},
        "BOOKS": {good, slow, dead},
        "books 503": {slow},
        "503 books": {slow},
        '"answered 503"': {slow},
        '"503 answered"': set(),
        f"{good.pk[:8].upper()}": {good},
        f"books {slow.pk}": {slow},
        f"{good.pk} {slow.pk}": set(),
        good.pk[1:9]: set(),
        "": {good, slow, dead},
    }.items():
        assert set(signed_in("viewer").get(RUNS, {"q": term}).context["cl"].result_list) == runs, term


def test_a_word_of_too_many_apps_to_name_is_found_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "MOST_APPS", 1)
    runs = {make_run(make_app(), State.SUCCEEDED), make_run(make_app("examples.debian.python_docs"), State.SUCCEEDED)}
    found, _since = search(Runtime.objects.all(), "examples", RuntimeAdmin.searched, window=10)
    assert set(found) == runs


def test_causes_are_read_in_the_newest_runs_that_have_one_and_the_page_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app, now = make_app(), utc_now()
    old, older = (make_run(app, State.FAILED, cause="It timed out.") for _each in range(2))
    for run, age in ((old, 1), (older, 2)):
        Runtime.objects.filter(pk=run.pk).update(queued_at=now - timedelta(days=age))
    make_run(app, State.SUCCEEDED)
    client = signed_in("viewer")
    response = client.get(RUNS, {"q": "timed"})
    assert (set(response.context["cl"].result_list), messages_of(response)) == ({old, older}, [])
    monkeypatch.setattr(searching, "WINDOW", 1)
    response = client.get(RUNS, {"q": "timed"})
    assert list(response.context["cl"].result_list) == [old]
    (said,) = messages_of(response)
    assert said.startswith("Texts were searched in the newest 1 rows that have one, back to ")
    assert set(client.get(RUNS, {"q": "cause:timed"}).context["cl"].result_list) == {old, older}


def test_commands_are_found_by_app_reason_and_person() -> None:
    books, docs, ana = make_app(), make_app("examples.debian.python_docs"), make_person(name="ana")
    values = {"verb": "STOP", "source": "ADMIN", "created_at": utc_now()}
    hers = Command.objects.create(app=books, issuer=ana, **values)
    refused = Command.objects.create(app=docs, reason="The app is disabled.", **values)
    for term, commands in {"ana": {hers}, "disabled": {refused}, "books ana": {hers}, "docs ana": set()}.items():
        assert set(signed_in("viewer").get(COMMANDS, {"q": term}).context["cl"].result_list) == commands, term


@pytest.mark.skipif(connection.vendor != "postgresql", reason="of the database that has millions of runs")
def test_no_search_reads_all_runs_or_all_commands() -> None:
    app = make_app()
    run = make_run(app, State.FAILED, cause="It timed out.")
    values = {"app": app, "state": State.SUCCEEDED, "trigger": "ADMIN", "queued_at": utc_now(), "ended_at": utc_now()}
    Runtime.objects.bulk_create([Runtime(**values) for _each in range(300)])
    with connection.cursor() as cursor:  # Small tables are read whole unless that is the last resort.
        cursor.execute("SET LOCAL enable_seqscan = off; ANALYZE runtime_runtime")
    for term in ("books", run.pk[:8], "timed", "books timed"):
        found, _since = search(Runtime.objects.all(), term, RuntimeAdmin.searched, window=100)
        _reads_no_table(found.order_by().values("pk").explain(), "runtime_runtime")
    found_commands, _since = search(Command.objects.all(), "books", CommandAdmin.searched, window=100)
    _reads_no_table(found_commands.order_by().values("pk").explain(), "runtime_command")


def _reads_no_table(plan: str, table: str) -> None:
    assert f"Seq Scan on {table}" not in plan, plan
    assert "Index" in plan, plan
