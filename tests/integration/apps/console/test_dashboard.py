"""Watching what changes over a WebSocket, with two real web processes and real clients."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from django.contrib.sessions.models import Session
from django.db import connections
from oauth2_provider.models import get_access_token_model
from websockets.sync.client import ClientConnection
from websockets.typing import Subprotocol

from apps.accounts.clients import end_tokens
from apps.accounts.models import Client as ApiClient
from apps.accounts.models import Ticket, User
from apps.core.clock import utc_now
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import session_of
from tests.integration.people import grant, make_client, make_person, program, token_of
from tests.services.sockets import ended, frame, open_socket, open_with_ticket, say, status_of
from tests.services.web import ROOT, WebProcess

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ADDRESS = "/ws/dashboard"
SOON_S = 5.0


@pytest.fixture(scope="module")
def webs(django_db_setup: None) -> Iterator[list[WebProcess]]:
    """Two processes, so that nothing is right only because one process did it all."""
    webs = [WebProcess(), WebProcess()]
    for web in webs:
        web.start()
    yield webs
    for web in webs:
        web.kill()


@pytest.fixture
def web(webs: list[WebProcess]) -> WebProcess:
    return webs[0]


def session(role: str = "viewer") -> str:
    return session_of(User.objects.filter(username=role).first() or make_person(role))


def watch(socket: ClientConnection, *topics: str) -> dict[str, Any]:
    """Ask for topics; their versions, and what was refused."""
    say(socket, "subscribe", topics=list(topics))
    found: dict[str, Any] = frame(socket, "subscribed")["data"]
    return found


def changed(socket: ClientConnection, timeout: float = 10) -> dict[str, Any]:
    found: dict[str, Any] = frame(socket, "changed", timeout)["data"]["topics"]
    return found


def ticket_for(token: str) -> str:
    response = program().post(
        "/api/v1/tickets", content_type="application/json", headers={"authorization": f"Bearer {token}"}
    )
    assert response.status_code == 200, response.content
    return str(response.json()["ticket"])


def robot(role: str = "viewer", name: str = "robot") -> tuple[ApiClient, str]:
    """A program and its access token."""
    client, secret = make_client(name, role=role)
    return client, token_of(client, secret)


def test_strangers_other_sites_and_guests_are_refused_before_anything_is_accepted(web: WebProcess) -> None:
    viewer = session()
    assert status_of(web, ADDRESS, viewer) == 101
    assert status_of(web, ADDRESS) == 403
    assert status_of(web, ADDRESS, "made-up-key") == 403
    assert status_of(web, ADDRESS, session("")) == 403
    for origin in (None, "null", "http://127.0.0.1:1", f"https://127.0.0.1:{web.port}", "http://evil.example"):
        assert status_of(web, ADDRESS, viewer, origin=origin) == 403
        # A page cannot hide what it is by asking for a ticket.
        asks = {"origin": origin, "subprotocols": [Subprotocol("ticket")]}
        assert status_of(web, ADDRESS, viewer, **asks) == 403


def test_what_changes_is_told_once_to_whoever_watches_it(webs: list[WebProcess]) -> None:
    app, other = make_app(is_enabled=True), make_app("other.site.list")
    make_run(other, State.SUCCEEDED)
    key = session()
    with open_socket(webs[0], ADDRESS, key) as one, open_socket(webs[1], ADDRESS, key) as two:
        assert frame(one, "hello")["data"] == {"ping_s": 45, "most_topics": 50}
        versions = watch(one, "home", "runs", f"app:{app.pk}", f"app:{other.pk}")
        assert versions["refused"] == {}
        # Any process names what it has read alike: whoever comes back to another one knows whether they missed it.
        assert watch(two, "runs")["topics"]["runs"] == versions["topics"]["runs"]

        run = make_run(app, State.RUNNING, task_size=10)
        told = changed(one)
        assert told.keys() == {"home", "runs", f"app:{app.pk}"}
        assert told["runs"]["ids"] == {"runs": [run.pk]}
        assert changed(two) == {"runs": told["runs"]}

        issue_command(app, Command.Verb.STOP, source=Command.Source.ADMIN)
        told = changed(one)
        assert told["home"]["ids"]["commands"]
        say(two, "unsubscribe", topics=["runs"])
        assert watch(two, f"run:{run.pk}")["topics"]
        Runtime.objects.filter(pk=run.pk).update(solved=4)
        assert changed(two).keys() == {f"run:{run.pk}"}
        Runtime.objects.all().delete()
        assert frame(two, "gone")["data"] == {"topics": [f"run:{run.pk}"]}


def test_a_server_that_comes_back_tells_what_was_missed(web: WebProcess) -> None:
    key, app = session(), make_app()
    with open_socket(web, ADDRESS, key) as socket:
        before = watch(socket, "runs")["topics"]["runs"]
    web.kill()
    make_run(app, State.RUNNING)
    web.start()
    with open_socket(web, ADDRESS, key) as socket:
        assert watch(socket, "runs")["topics"]["runs"] != before


def test_everybody_is_told_of_what_they_may_see(web: WebProcess) -> None:
    own, foreign = make_app("shop.books.list", is_enabled=True), make_app("news.daily.list", is_enabled=True)
    person = make_person(name="partial")
    given = grant(person, "viewer", own), grant(person, "viewer", make_app("shop.toys.list"))
    mine, theirs = make_run(own, State.RUNNING), make_run(foreign, State.RUNNING)
    with open_socket(web, ADDRESS, session_of(person)) as socket:
        names = [f"run:{mine.pk}", f"run:{theirs.pk}", f"app:{foreign.pk}", "managers", "runs", "nonsense", "app:0"]
        answers = [watch(socket, *names), frame(socket, "subscribed")["data"]]
        refused = answers[0]["refused"] | answers[1]["refused"]
        assert refused == dict.fromkeys([names[1], names[2], "managers", "nonsense", "app:0"], "unknown")
        Runtime.objects.filter(pk=theirs.pk).update(solved=1)
        Runtime.objects.filter(pk=mine.pk).update(solved=1)
        told = changed(socket)
        assert told.keys() == {f"run:{mine.pk}", "runs"}
        assert told["runs"]["ids"] == {"runs": [mine.pk]}
        # Something is left to them, but not what they watch.
        given[0].delete()
        code, reason = ended(socket, SOON_S)
    assert (code, reason) == (4403, f"You may not watch run:{mine.pk} any longer.")


def test_what_nobody_understands_or_needs_ends_the_socket(web: WebProcess) -> None:
    key = session()
    for message in ("no json", "[]", '{"type": "follow"}', '{"type": "subscribe", "topics": "home"}', "[" * 5000):
        with open_socket(web, ADDRESS, key) as socket:
            socket.send(message)
            assert ended(socket, 10)[0] == 4400
    with open_socket(web, ADDRESS, key) as socket:
        socket.send("x" * 70_000)
        assert ended(socket, 10)[0] == 1009
    with open_socket(web, ADDRESS, key) as socket:
        for _ in range(40):
            say(socket, "ping")
        assert ended(socket, 10) == (4429, "At most 20 messages a second.")
    with open_socket(web, ADDRESS, key) as socket:
        say(socket, "ping")
        assert frame(socket, "pong")["seq"] == 2
        runs = [f"run:{number:032x}" for number in range(51)]
        assert list(watch(socket, *runs)["refused"].values()) == ["too_many"]


@pytest.mark.parametrize(
    ("end", "code"),
    [("session", 4401), ("user", 4401), ("password", 4401), ("role", 4403), ("staff", 4403)],
)
def test_who_was_let_in_by_a_session_goes_with_it(webs: list[WebProcess], end: str, code: int) -> None:
    person = make_person("viewer")
    key, run = session_of(person), make_run(make_app(), State.RUNNING)
    log = f"/ws/runtimes/{run.pk}/log?after=0"
    with ExitStack() as stack:
        sockets = [stack.enter_context(open_socket(web, path, key)) for path in (ADDRESS, log) for web in webs]
        for socket in sockets[:2]:
            watch(socket, "home")
        match end:
            case "session":
                Session.objects.all().delete()
            case "user":
                User.objects.update(is_active=False)
            case "password":
                person.set_password("another-one-entirely")
                person.save()
            case "role":
                person.groups.clear()
            case "staff":
                User.objects.update(is_staff=False)
        assert [ended(socket, SOON_S)[0] for socket in sockets] == [code] * 4


def test_a_program_comes_in_by_a_ticket_and_goes_with_its_token(webs: list[WebProcess]) -> None:
    client, token = robot()
    run = make_run(make_app(), State.RUNNING)
    with (
        open_with_ticket(webs[0], ADDRESS, ticket_for(token)) as watching,
        open_with_ticket(webs[1], f"/ws/runtimes/{run.pk}/log?after=0", ticket_for(token)) as following,
    ):
        assert watching.subprotocol == "ticket"
        assert watch(watching, "runs")["topics"]
        assert frame(following, "hello")["data"]["run"]["state"] == "RUNNING"
        assert Ticket.objects.count() == 0
        unused = ticket_for(token)
        end_tokens(client=client, now=utc_now())
        assert [ended(socket, SOON_S)[0] for socket in (watching, following)] == [4401, 4401]
    assert Ticket.objects.count() == 0
    with open_with_ticket(webs[0], ADDRESS, unused) as socket:
        assert ended(socket, 10)[0] == 4401


@pytest.mark.parametrize(("end", "code"), [("over", 4401), ("client", 4401), ("role", 4403)])
def test_who_was_let_in_by_a_token_goes_with_what_it_stands_for(web: WebProcess, end: str, code: int) -> None:
    client, token = robot()
    with open_with_ticket(web, ADDRESS, ticket_for(token)) as socket:
        watch(socket, "runs")
        match end:
            case "over":
                get_access_token_model().objects.update(expires=utc_now())
            case "client":
                ApiClient.objects.filter(pk=client.pk).update(is_active=False)
            case "role":
                ApiClient.objects.filter(pk=client.pk).update(role="")
        assert ended(socket, SOON_S)[0] == code


def test_a_ticket_opens_one_socket_in_time_and_no_more_than_its_token(webs: list[WebProcess]) -> None:
    _client, token = robot()
    ticket = ticket_for(token)
    foreign = make_run(make_app(), State.RUNNING)
    with open_with_ticket(webs[0], ADDRESS, ticket) as socket:
        frame(socket, "hello")
        with open_with_ticket(webs[1], ADDRESS, ticket) as again:
            assert ended(again, 10) == (4401, "This ticket is unknown, used or over; get another one.")
    late = ticket_for(token)
    Ticket.objects.update(expires_at=utc_now())
    for wrong in (late, token, "", "x" * 99):
        with open_with_ticket(webs[0], ADDRESS, wrong) as socket:
            assert ended(socket, 10)[0] == 4401
    partial, secret = make_client("partial")
    grant(partial, "viewer", make_app("elsewhere.other.thing"))
    with open_with_ticket(webs[0], f"/ws/runtimes/{foreign.pk}/log", ticket_for(token_of(partial, secret))) as socket:
        assert ended(socket, 10)[0] == 4403
    with open_socket(webs[0], ADDRESS, origin=None, subprotocols=[Subprotocol("ticket")]) as socket:
        say(socket, "subscribe", topics=["home"])
        assert ended(socket, 10)[0] == 4400


def test_the_example_of_the_documentation_watches(web: WebProcess) -> None:
    # Tokens name who signed them, so it has to come from this address.
    client, secret = make_client(role="viewer")
    asked = {"grant_type": "client_credentials", "scope": "read", "client_id": client.client_id}
    answer = httpx.post(f"{web.url}/oauth/token/", data={**asked, "client_secret": secret})
    token = answer.raise_for_status().json()["access_token"]
    environment = {**os.environ, "DC_URL": web.url, "DC_TOKEN": token, "DC_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "docs/examples/watch.py"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as example:
        assert example.stdout is not None
        try:
            assert example.stdout.readline() == "watching\n"
            make_run(make_app(), State.RUNNING)
            assert example.stdout.readline() == "examples.shop.books RUNNING\n"
            get_access_token_model().objects.all().delete()
            assert example.wait(timeout=20) == 1
        finally:
            example.kill()


def test_tickets_are_for_programs_and_kept_as_hashes() -> None:
    _client, token = robot()
    ticket = ticket_for(token)
    row = Ticket.objects.get()
    assert ticket not in row.token_hash
    assert 0 < (row.expires_at - utc_now()).total_seconds() <= 30
    assert program().post("/api/v1/tickets").status_code == 401
    connections.close_all()
