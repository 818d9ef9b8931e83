"""Harm to what is written down: what is said a hundred times, pids of somebody else, what is half said."""

from __future__ import annotations

import http.client
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection, connections

from apps.accounts.models import User
from apps.core.clock import database_now
from apps.registry.models import App
from apps.registry.services import change_app
from apps.runtime.doorbells import node_door
from apps.runtime.models import Command, Runtime, State
from apps.runtime.node_models import Node
from apps.runtime.nodes import LEASE
from apps.runtime.process import boot_id, node_name, start_time
from apps.runtime.services import issue_command
from tests.chaos.checks import Harm
from tests.chaos.faults_between import FaultsBetween
from tests.chaos.platform import wait_until
from tests.chaos.strangers import Stranger, stranger_with_pid
from tests.integration.factories import make_run
from tests.services.web import free_port

ADMIN, START, STOP = Command.Source.ADMIN, Command.Verb.START, Command.Verb.STOP
TIMES, AT_ONCE = 100, 4
EVERY_S = 2
CSRF = "c" * 32


class AllFaults(FaultsBetween):
    """All kinds there are."""

    # -- Said again and again ------------------------------------------------------------------------------------------

    def repeated(self, run_ids: list[str]) -> Harm:
        """Each doorbell a hundred times, and one command as often, by several at once: each has its effect once."""
        app = self.dice.choice(self.platform.commanded)
        lines = {"folder": str(self.platform.ledgers), "lines": 500}
        with ThreadPoolExecutor(AT_ONCE) as people:
            ringing = [people.submit(self._ring_all) for _ in range(2)]
            start = self._issue_often(people, app, START, args=lines)
            run_id = start.runtime_id
            assert run_id is not None
            run_ids.append(run_id)
            ringing.append(people.submit(self._ring_all))
            wait_until(lambda: len(self.platform.ledger(run_id)) > 3, "a commanded run works")
            self._issue_often(people, app, STOP)
            for future in ringing:
                future.result(60)
        assert Runtime.objects.filter(app=app, pk__in=run_ids).count() == 1
        return Harm(ended_as={run_id: State.STOPPED})

    def _issue_often(self, people: ThreadPoolExecutor, app: App, verb: Command.Verb, **values: Any) -> Command:
        key = uuid4().hex

        def issue(_: int) -> int:
            try:
                command = issue_command(app, verb, source=ADMIN, idempotency_key=key, **values)
            finally:
                connections.close_all()
            return int(command.pk)

        [pk] = set(people.map(issue, range(TIMES)))
        command = Command.objects.get(idempotency_key=key)
        assert command.pk == pk
        return command

    def _ring_all(self) -> None:
        for seat in self.platform.at_work:
            # A broker that is just being started again loses doorbells, which is what they are for.
            with suppress(Exception):
                self.platform.ring(seat, "runs", times=TIMES)
                self.platform.ring(seat, node_door(seat.node().pk), times=TIMES)
        connections.close_all()

    # -- Pids of somebody else -----------------------------------------------------------------------------------------

    def strangers(self, run_ids: list[str]) -> Harm:
        """Rows name pids that belong to others by now: the runs end, and nobody else notices."""
        stranger = Stranger(self.platform.folder / f"stranger-{uuid4().hex}")
        try:
            started = start_time(stranger.pid)
            assert started is not None
            forged = {"pid": stranger.pid, "pid_started": started - 1000}
            here = {"host": node_name(), "boot_id": boot_id(), **forged}
            now = database_now()
            gone = Node.objects.create(started_at=now, heartbeat_at=now, lease_until=now + LEASE, **here)
            alive = self.dice.choice(self.platform.at_work).node()
            states = {State.RUNNING: gone, State.STOPPING: alive, State.STARTING: None}
            place = {"node": node_name(), "boot_id": boot_id(), "epoch": 1, **forged}
            apps = self.platform.commanded
            runs = [
                make_run(app, state, owner=owner, started_at=now, trigger=Runtime.Trigger.SHELL, **place)
                for app, (state, owner) in zip(apps, states.items(), strict=False)
            ]
            ids = [run.pk for run in runs]
            wait_until(lambda: self.platform.has_ended(ids), "runs whose pids are somebody else's end")
            assert Node.objects.get(pk=gone.pk).end_cause == "Its process is gone."
            ends = {run.pk: State(run.state) for run in Runtime.objects.filter(pk__in=ids)}
            assert set(ends.values()) <= {State.CRASHED, State.STOPPED}, ends
            assert stranger.heard() == []
        finally:
            stranger.leave()
        Runtime.objects.filter(pk__in=ids).delete()
        return Harm()

    def reused_pid(self, run_ids: list[str]) -> Harm:
        """A collector dies, somebody else gets its pid, and then its manager is told to stop it."""
        run = self.victim(run_ids)
        manager = self.platform.seat_of(run).manager
        assert run.pid is not None
        assert manager is not None
        manager.send_signal(signal.SIGSTOP)
        try:
            os.kill(run.pid, signal.SIGKILL)
            wait_until(lambda: start_time(run.pid or 0) != run.pid_started, "a collector is gone")
            stranger = stranger_with_pid(run.pid, self.platform.folder)
            run.move(State.STOPPING, stop_stage="asked")
        finally:
            manager.send_signal(signal.SIGCONT)
        wait_until(lambda: self.platform.has_ended([run.pk]), "its run ends")
        if stranger is not None:
            heard = stranger.heard()
            stranger.leave()
            assert heard == []
            self.reused += 1
        run.refresh_from_db()
        assert run.state in (State.CRASHED, State.STOPPED), run.state
        return Harm(ended_as={run.pk: State(run.state)})

    #: How often the kernel let us choose a pid.
    reused = 0

    # -- The clock that starts runs ------------------------------------------------------------------------------------

    def timers(self, run_ids: list[str]) -> Harm:
        """beat and worker are killed again and again: every due time has its run, and none has two."""
        app, seat, begun = self.platform.timed, self.dice.choice(self.platform.at_work), database_now()
        parts = {name: self.platform.manage(name, **seat.env()) for name in ("beat", "worker")}
        started = list(parts.values())
        wanted = {"missed": App.Missed.ALL, "overlap": App.Overlap.QUEUE, "interval_s": EVERY_S}
        app = change_app(app, now=begun, schedule=App.Schedule.INTERVAL, **wanted)
        first = app.next_run_at
        assert first is not None
        runs = Runtime.objects.filter(app=app, due_at__gte=first)
        try:
            for number in range(3):
                wait_until(lambda number=number: runs.count() > number, "the clock ticks")  # type: ignore[misc]
                name = self.dice.choice(list(parts))
                time.sleep(self.dice.uniform(0, 1))
                parts[name].kill()
                parts[name].wait()
                parts[name] = self.platform.manage(name, **seat.env())
                started.append(parts[name])
        finally:
            for part in started:
                # With what a worker that was killed has left behind.
                with suppress(ProcessLookupError):
                    os.killpg(part.pid, signal.SIGKILL)
                part.wait()
        change_app(app, now=database_now(), schedule=App.Schedule.MANUAL)
        due = list(runs.order_by("due_at").values_list("due_at", flat=True))
        assert due == [first + number * timedelta(seconds=EVERY_S) for number in range(len(due))]
        run_ids += runs.values_list("pk", flat=True)
        return Harm()

    # -- Half said -----------------------------------------------------------------------------------------------------

    def web(self, run_ids: list[str]) -> Harm:
        """The web process is killed while people press buttons: what they asked for is written down whole, or not."""
        visitor = Visitor(free_port())
        process = self.platform.manage("web", DC_WEB_PORT=str(visitor.port))
        try:
            wait_until(visitor.is_served, f"the web process answers\n{self.platform.said()}")
            apps = self.platform.commanded
            before = Command.objects.count()
            with ThreadPoolExecutor(len(apps)) as people:
                for app in apps:
                    people.submit(visitor.press_start, app)
                come = self.dice.randrange(len(apps))
                wait_until(lambda: Command.objects.count() >= before + come, "buttons arrive")
                process.kill()
        finally:
            process.kill()
            process.wait()
        # What a dead process had begun is over when the server has noticed.
        begun = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%%' OR state = 'active'"
        wait_until(lambda: _number(begun) == 1, "nobody is in the middle of anything")
        asked = Command.objects.filter(app__in=apps, source=ADMIN, verb=START, issuer=visitor.user)
        assert before + come <= Command.objects.count()
        run_ids += [run_id for run_id in asked.values_list("runtime", flat=True) if run_id and run_id not in run_ids]
        return Harm()


def _number(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        [number] = cursor.fetchone()
    return int(number)


class Visitor:
    """Somebody who is logged in, and may do everything."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.user, _ = User.objects.get_or_create(
            username="visitor", defaults={"is_staff": True, "is_superuser": True, "is_active": True}
        )
        session = SessionStore()
        session[SESSION_KEY] = str(self.user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[-1]
        session[HASH_SESSION_KEY] = self.user.get_session_auth_hash()
        session.save()
        self.cookies = f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={CSRF}"

    def is_served(self) -> bool:
        """Whether the process answers; it has opened the page of a list then."""
        return self._ask("GET", "/admin/registry/app/") == 200

    def press_start(self, app: App) -> int:
        """The button of an app."""
        body = urlencode({"verb": "START", "csrfmiddlewaretoken": CSRF})
        return self._ask("POST", f"/admin/registry/app/{app.pk}/command/", body)

    def _ask(self, method: str, path: str, body: str | None = None) -> int:
        headers = {"Cookie": self.cookies, "Content-Type": "application/x-www-form-urlencoded"}
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            line.request(method, path, body, headers)
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            line.close()
