"""Following a run over a WebSocket, with the real web process and a real client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import connections
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from apps.accounts.models import User
from apps.runtime.models import Runtime, State
from apps.runtime.wakeups import Wakeups, wakeup_group
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import say, session_of
from tests.integration.people import make_person
from tests.services.sockets import ended, frame, how_it_ended, open_socket, status_of
from tests.services.web import WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ADDRESS = "/ws/runtimes/{}/log"


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[WebProcess]:
    web = WebProcess()
    web.start()
    yield web
    web.kill()


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


Follow = Callable[..., Any]


@pytest.fixture
def follow(web: WebProcess, run: Runtime) -> Follow:
    """Opens the socket of the run, as somebody with this role."""

    @contextmanager
    def follow(after: int | None = None, *, key: str | None = None, **options: Any) -> Iterator[ClientConnection]:
        key = key or session_of(User.objects.filter(username="viewer").first() or make_person("viewer"))
        with open_socket(web, path_of(run.pk, after), key, **options) as socket:
            yield socket

    return follow


def path_of(run_id: str, after: int | None = None) -> str:
    return ADDRESS.format(run_id) + ("" if after is None else f"?after={after}")


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def numbers(socket: ClientConnection, upto: int, timeout: float = 15) -> list[int]:
    """The line numbers that arrive, until a certain one."""
    heard: list[int] = []
    while not heard or heard[-1] < upto:
        found = frame(socket, "lines", timeout)
        heard += [line["n"] for line in found["data"]["lines"]]
        assert found["seq"] == heard[-1]
    return heard


def test_nobody_gets_in_who_is_not_signed_in(web: WebProcess, run: Runtime) -> None:
    assert status_of(web, path_of(run.pk), "") == 403
    assert status_of(web, path_of(run.pk), "made-up-key") == 403


def test_it_asks_for_the_permission(web: WebProcess, run: Runtime) -> None:
    assert status_of(web, path_of(run.pk), session_of(make_person())) == 403
    assert status_of(web, path_of(run.pk), session_of(make_person("viewer"))) == 101


def test_people_outside_of_the_staff_stay_outside(web: WebProcess, run: Runtime) -> None:
    person = make_person("viewer")
    key = session_of(person)
    User.objects.filter(pk=person.pk).update(is_staff=False)
    assert status_of(web, path_of(run.pk), key) == 403


def test_there_must_be_such_a_run(web: WebProcess) -> None:
    assert status_of(web, path_of("0" * 32), session_of(make_person("viewer"))) == 403


def test_another_address_is_refused(web: WebProcess) -> None:
    with pytest.raises(InvalidStatus):
        connect(f"ws://127.0.0.1:{web.port}/ws/elsewhere", origin=Origin(web.url))


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "https://127.0.0.1:{port}",
        "http://127.0.0.1:1",
        "http://evil.example",
        "http://127.0.0.1.evil.example",
    ],
)
def test_pages_of_other_sites_are_refused(web: WebProcess, run: Runtime, origin: str | None) -> None:
    named = origin.format(port=web.port) if origin else None
    assert status_of(web, path_of(run.pk), session_of(make_person("viewer")), origin=named) == 403


def test_lines_behind_the_cursor_arrive_in_order(run: Runtime, follow: Follow) -> None:
    say(run, 1, 1200)
    with follow(after=700) as socket:
        hello = frame(socket, "hello")
        assert hello["data"]["head"] == 1200
        assert hello["data"]["run"]["state"] == "RUNNING"
        assert numbers(socket, 1200) == list(range(701, 1201))
        say(run, 1201, 1210)
        assert numbers(socket, 1210) == list(range(1201, 1211))


def test_the_cursor_may_come_in_the_first_message(run: Runtime, follow: Follow) -> None:
    say(run, 1, 20)
    with follow() as socket:
        assert frame(socket, "hello")["data"]["first"] == 1
        socket.send(json.dumps({"type": "follow", "after": 15}))
        assert numbers(socket, 20) == [16, 17, 18, 19, 20]


@pytest.mark.parametrize(
    "said", ["[" * 60_000, "{}", '{"type": "follow", "after": -1}', '{"type": "follow", "after": true}']
)
def test_nonsense_ends_the_conversation_with_what_to_say(follow: Follow, said: str) -> None:
    with follow() as socket:
        socket.send(said)
        code, reason = ended(socket, 5)
    assert code == 4400
    assert '"follow"' in reason


def test_a_line_arrives_whole(run: Runtime, follow: Follow) -> None:
    say(run, 1, 1, message="<b>x</b>\u2028", context_json={"id": 2**60, "n": 1.5}, exception="Traceback\nE", level=40)
    with follow(after=0) as socket:
        line = frame(socket, "lines")["data"]["lines"][0]
    assert line["text"] == "<b>x</b>\u2028"
    assert line["fields"] == {"id": str(2**60), "n": 1.5}
    assert (line["level"], line["trace"]) == (40, "Traceback\nE")


def test_what_changes_about_the_run_is_told(run: Runtime, follow: Follow) -> None:
    with follow(after=0) as socket:
        frame(socket, "hello")
        Runtime.objects.filter(pk=run.pk).update(task_size=10, solved=4)
        assert frame(socket, "run")["data"]["progress"] == 40
        assert run.finish(State.FAILED, at=run.queued_at, cause="The site is closed.")
        told = frame(socket, "run")["data"]
    assert (told["is_open"], told["cause"]) == (False, "The site is closed.")


def test_a_broken_connection_costs_no_line_and_doubles_none(run: Runtime, follow: Follow) -> None:
    def write() -> None:
        for first in range(1, 2001, 20):
            say(run, first, first + 19)
            time.sleep(0.01)
        connections.close_all()

    writer = threading.Thread(target=write)
    writer.start()
    heard: list[int] = []
    for last in [150, 151, 400, 900, 901, 1500, 2000]:
        with follow(after=heard[-1] if heard else 0) as socket:
            if not heard or heard[-1] < last:
                heard += numbers(socket, last)
    writer.join()
    assert heard == list(range(1, 2001))


def test_a_wakeup_brings_a_line_at_once(run: Runtime, follow: Follow, valkey_socket: Path) -> None:
    wakeups = Wakeups()
    took = []
    with follow(after=0) as socket, redis.Redis(unix_socket_path=str(valkey_socket)) as server:
        # The process has found the layer, which was not there when it started.
        wait_for(lambda: server.pubsub_numsub(f"dc__group__{wakeup_group(run.pk)}")[0][1] == 1)
        for number in range(1, 11):
            begun = time.monotonic()
            say(run, number, number)
            wakeups.ring([run.pk])
            assert numbers(socket, number) == [number]
            took.append(time.monotonic() - begun)
            time.sleep(0.1)
    wakeups.close()
    assert sorted(took)[5] < 0.25


@pytest.mark.parametrize("how", ["signed out", "deactivated", "not of the staff", "without permission", "new password"])
def test_who_may_not_read_any_longer_is_shown_out_within_five_seconds(follow: Follow, how: str) -> None:
    person = make_person("viewer")
    key = session_of(person)
    with follow(after=0, key=key) as socket:
        frame(socket, "hello")
        if how == "signed out":
            Session.objects.filter(session_key=key).delete()
        elif how == "deactivated":
            User.objects.filter(pk=person.pk).update(is_active=False)
        elif how == "not of the staff":
            User.objects.filter(pk=person.pk).update(is_staff=False)
        elif how == "without permission":
            person.groups.remove(Group.objects.get(name="viewer"))
        else:
            person.set_password("another one, and a long one")
            person.save()
        code, _reason = ended(socket, 5)
    assert code == (4403 if how in ("not of the staff", "without permission") else 4401)


def test_others_stay_when_one_is_shown_out(run: Runtime, follow: Follow) -> None:
    person = make_person("viewer", name="somebody else")
    with follow(after=0) as stays, follow(after=0, key=session_of(person)) as goes:
        person.delete()
        assert ended(goes, 5)[0] == 4401
        say(run, 1, 1)
        assert numbers(stays, 1) == [1]


def test_a_run_that_is_deleted_is_followed_no_longer(run: Runtime, follow: Follow) -> None:
    with follow(after=0) as socket:
        frame(socket, "hello")
        run.delete()
        assert ended(socket, 5) == (4404, "The run was deleted.")


def test_a_client_that_does_not_read_is_told_its_cursor_and_let_go(run: Runtime, follow: Follow) -> None:
    count, text = 2000, "x" * 7900
    with follow(after=0) as quick, follow(after=0, max_queue=1) as slow:
        heard: list[int] = []
        for first in range(1, count, 100):
            say(run, first, first + 99, message=text)
            heard += numbers(quick, first + 99, 30)
        assert heard == list(range(1, count + 1))
        got: list[int] = []

        def hear() -> None:
            said = json.loads(slow.recv(timeout=20))
            got.extend(line["n"] for line in said["data"].get("lines", []))

        code, reason = how_it_ended(hear)
    assert code == 4408, reason
    cursor = int(reason.rpartition("=")[2])
    assert cursor < count
    assert got == list(range(1, cursor + 1))
    with follow(after=cursor) as again:
        assert numbers(again, count, 30) == list(range(cursor + 1, count + 1))
