"""`manage.py app`: what an operator types, reads, and what a script gets as an exit code."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.accounts.models import AuditEntry
from apps.core.clock import utc_now
from apps.registry.models import App
from apps.runtime.ending import end_run
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import BOOKS, make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")


def typed(*words: str, **options: Any) -> str:
    out = StringIO()
    call_command("app", *words, stdout=out, **options)
    return out.getvalue()


def refused(*words: str) -> tuple[int, str]:
    with pytest.raises(CommandError) as caught:
        typed(*words)
    return caught.value.returncode, str(caught.value)


def test_a_start_queues_a_run_with_typed_arguments() -> None:
    make_app(is_enabled=True)
    out = typed("start", BOOKS, "--arg", "base_url=http://x/", "--limit", "3", "--dry-run")
    run = Runtime.objects.get()
    assert (run.args, run.limit, run.is_dry_run, run.trigger) == ({"base_url": "http://x/"}, 3, True, "SHELL")
    assert out == f"{BOOKS} is queued (command {Command.objects.get().pk}) (run {run.pk}).\n"


def test_an_unknown_app_is_answered_with_what_was_meant() -> None:
    make_app()
    code, sentence = refused("start", "examples.shop.bokks")
    assert code == 2
    assert sentence.startswith("There is no app examples.shop.bokks. Did you mean examples.shop.books or ")
    assert refused("start", "books") == (2, "There is no app books. Did you mean examples.shop.books?")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["start", BOOKS, "--arg", "base_ur=x"], "did you mean base_url?"),
        (["start", BOOKS, "--arg", "base_url"], "not of the form key=value"),
        (["start", BOOKS, "--limit", "0"], "--limit has to be a number from 1"),
        (["stop", BOOKS, "--key", "k"], 'The key "k" belongs to command'),
        (["remove", BOOKS, "--grace-days", "-1"], "--grace-days has to be from 0"),
        (["start"], "Name the app: manage.py app start group.parent.app"),
    ],
)
def test_a_bad_request_ends_with_2(words: list[str], text: str) -> None:
    make_app(is_enabled=True)
    typed("disable", BOOKS, "--key", "k")
    typed("enable", BOOKS)
    assert AuditEntry.objects.get(action="app.enabled").source == "SHELL"
    code, message = refused(*words)
    assert code == 2
    assert text in message
    assert not Runtime.objects.exists()


def test_what_is_refused_ends_with_3() -> None:
    make_app()
    assert refused("start", BOOKS) == (3, f"{BOOKS} is disabled; enable it first.")
    assert refused("stop", BOOKS) == (3, f"{BOOKS} is not running.")
    assert refused("remove", BOOKS, "--cancel") == (3, f"{BOOKS} is not going to be removed.")


def test_waiting_for_what_does_not_come_ends_with_4() -> None:
    make_app(is_enabled=True)
    assert refused("start", BOOKS, "--wait", "--timeout", "0")[0] == 4
    typed("stop", BOOKS)
    code, message = refused("start", BOOKS, "--wait", "--deadline", "0.1")
    assert (code, message) == (4, "The run had not begun by the deadline.")
    assert not Runtime.objects.filter(state=State.QUEUED).exists()


def test_a_stop_can_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    run = make_run(app, State.RUNNING)

    def owner_acts(_seconds: float) -> None:
        end_run(Runtime.objects.get(pk=run.pk), State.STOPPED, now=utc_now())

    monkeypatch.setattr("apps.runtime.management.commands.app.time.sleep", owner_acts)
    assert typed("stop", BOOKS, "--wait").startswith(f"{BOOKS} is stopped")


@pytest.mark.parametrize(("state", "code"), [(State.SUCCEEDED, 0), (State.FAILED, 1)])
def test_a_start_that_is_waited_for_tells_how_the_run_ended(
    state: State, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_app(is_enabled=True)

    def manager_acts(_seconds: float) -> None:
        run = Runtime.objects.get()
        if run.state == State.QUEUED:
            Runtime.objects.filter(pk=run.pk).update(state=State.RUNNING, slot=0)
        else:
            end_run(run, state, now=utc_now(), cause="so it was")

    monkeypatch.setattr("apps.runtime.management.commands.app.time.sleep", manager_acts)
    if code:
        assert refused("start", BOOKS, "--wait")[0] == code
    else:
        assert "SUCCEEDED: so it was" in typed("start", BOOKS, "--wait")


def test_the_same_key_starts_once() -> None:
    make_app(is_enabled=True)
    first, again = (json.loads(typed("start", BOOKS, "--key", "k", "--json")) for _ in range(2))
    assert first == again
    assert (first["state"], first["verb"], Runtime.objects.count()) == ("EXECUTED", "START", 1)


def test_status_lists_every_app_with_its_run() -> None:
    app = make_app(is_enabled=True, schedule=App.Schedule.INTERVAL, interval_s=300)
    make_run(app, State.RUNNING, task_size=10, solved=4, failed=1)
    typed("disable", make_app("examples.debian.python_docs").code)
    out = typed("status")
    (line,) = [line for line in out.splitlines() if line.startswith(BOOKS)]
    for words in ("enabled", "every 5 minutes", "running", "50 %, 4 solved, 1 failed"):
        assert words in line
    assert "examples.debian.python_docs" in out


def test_status_of_one_app_says_why_it_is_disabled_and_what_is_open() -> None:
    app = make_app(is_enabled=True, disable_after=1, max_parallel=2)
    end_run(make_run(app, State.RUNNING), State.FAILED, now=utc_now(), cause="No price.")
    make_run(app, State.RUNNING)
    typed("stop", BOOKS)
    out = typed("status", BOOKS)
    assert "disabled, failed" in out
    assert "Disabled by the platform: The run failed. The last cause: No price." in out
    assert "STOP is pending." in out
    told = json.loads(typed("status", BOOKS, "--json"))
    assert (told["fatal"], told["commands"][0]["verb"], told["run"]["state"]) == ("FAILED", "STOP", "STOPPING")


def test_an_app_leaves_and_is_purged_only_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app(is_enabled=True)
    make_run(app, State.SUCCEEDED)
    assert "off the clock" in typed("unmanage", BOOKS)
    assert "To keep it: manage.py app remove" in typed("remove", BOOKS, "--grace-days", "1")
    assert "is kept" in typed("remove", BOOKS, "--cancel")
    monkeypatch.setattr("builtins.input", lambda _prompt: "yes")
    assert refused("purge", BOOKS) == (3, f"Nothing was deleted: that is not {BOOKS}.")
    assert Runtime.objects.exists()
    run = make_run(app, State.RUNNING)
    assert refused("purge", BOOKS, "--yes-purge", BOOKS)[0] == 3
    end_run(run, State.STOPPED, now=utc_now())
    assert f"Purged {BOOKS}: 2 runs" in typed("purge", BOOKS, "--yes-purge", BOOKS)
    assert not App.objects.filter(code=BOOKS).exists()


def test_what_an_app_is_set_to_means_what_it_means_in_the_form() -> None:
    make_app(is_enabled=True, memory_limit_mb=64)
    words = ["schedule=cron", "cron=30 2 * * *", "time_zone=Europe/Berlin", "overlap=replace", "is_exclusive=yes"]
    out = typed("set", BOOKS, *words, 'args={"base_url": "http://x/"}', 'tags=["prices"]', "memory_limit_mb=")
    app = App.objects.get(code=BOOKS)
    assert (app.schedule, app.cron, app.overlap, app.is_exclusive) == ("CRON", "30 2 * * *", "REPLACE", True)
    assert (app.args, app.tags, app.memory_limit_mb) == ({"base_url": "http://x/"}, ["prices"], None)
    assert app.next_run_at is not None
    assert "cron = 30 2 * * *" in out
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.before["cron"], entry.after["cron"]) == ("app.changed", "", "30 2 * * *")
    assert typed("set", BOOKS, "cron=30 2 * * *") == f"{BOOKS}: nothing to change.\n"
    assert AuditEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["schedule=CRON", "cron=61 * * * *"], "cron: "),
        (["schedule=CRON"], "cron: A cron schedule needs a cron expression."),
        (["time_zone=Europe/Berln"], "time_zone: "),
        (["time_zone=Europe/Berln", "cron=often"], "did you mean Europe/Berlin?"),
        (["schedule=SOMETIMES"], "schedule: Value 'SOMETIMES' is not a valid choice."),
        (["interval_s=soon"], "interval_s: Enter a whole number."),
        (["schedule=INTERVAL", "interval_s=0"], "interval_s: Ensure this value is greater than or equal to 1."),
        (["args=[1]"], "args: Write a JSON object"),
        (["args={"], "args: Enter a valid JSON."),
        (["is_exclusive=perhaps"], "is_exclusive: Write yes or no."),
        (["crno=* * * * *"], '"crno" is not a field of an app that can be set; did you mean cron?'),
        (["is_enabled=yes"], '"is_enabled" is not a field of an app that can be set'),
        (["cron"], '"cron" is not of the form FIELD=VALUE.'),
        ([], "Say what to set, as FIELD=VALUE."),
    ],
)
def test_what_an_app_must_not_be_set_to_is_refused_with_its_field(words: list[str], text: str) -> None:
    make_app(max_parallel=2)
    before = App.objects.values().get(code=BOOKS)
    code, message = refused("set", BOOKS, *words)
    assert code == 2
    assert text in message
    assert App.objects.values().get(code=BOOKS) == before
    assert not AuditEntry.objects.exists()


def test_an_empty_value_is_what_the_app_was_made_with() -> None:
    make_app(max_parallel=2, cron="0 0 * * *")
    typed("set", BOOKS, "max_parallel=", "cron=")
    app = App.objects.get(code=BOOKS)
    assert (app.max_parallel, app.cron) == (1, "")


def test_a_field_is_not_an_argument() -> None:
    make_app(is_enabled=True)
    code, message = refused("start", BOOKS, "base_url=http://x/")
    assert (code, Runtime.objects.count()) == (2, 0)
    assert message == "start takes no FIELD=VALUE; arguments of a run are given as --arg KEY=VALUE."
