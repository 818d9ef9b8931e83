"""Harm to what lies between the parts: their network, their brokers, what they are told, and when they are told it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from apps.core.clock import database_now, utc_now
from apps.runtime.models import Command, Runtime, State
from apps.runtime.services import issue_command
from tests.chaos import clocks
from tests.chaos.checks import Harm
from tests.chaos.faults import CLOCK, LINK, Faults
from tests.chaos.platform import Seat, wait_until
from tests.integration.factories import make_run
from tests.servers.tcp_proxy import TcpProxy

START, ADMIN = Command.Verb.START, Command.Source.ADMIN
FAR_S = 7200


class FaultsBetween(Faults):
    """What happens while everybody is alive."""

    # -- The network ---------------------------------------------------------------------------------------------------

    def delayed(self, run_ids: list[str]) -> Harm:
        """Everything takes longer, both ways."""
        self.victim(run_ids)
        for proxy in self._links():
            proxy.delay(self.dice.uniform(0.05, 0.3))
        time.sleep(self.dice.uniform(1, 2))
        for seat in self.platform.seats:
            for proxy in (seat.database, seat.broker):
                proxy.delay(0)
        return self._healed()

    def cut(self, run_ids: list[str]) -> Harm:
        self.victim(run_ids)
        for proxy in self._links():
            proxy.cut()
        return self._healed()

    def reset(self, run_ids: list[str]) -> Harm:
        self.victim(run_ids)
        for proxy in self._links():
            proxy.reset()
        return self._healed()

    def half_closed(self, run_ids: list[str]) -> Harm:
        self.victim(run_ids)
        for proxy in self._links():
            proxy.half_close()
        return self._healed()

    def held(self, run_ids: list[str]) -> Harm:
        """A black hole, shorter than a lease."""
        self.victim(run_ids)
        proxies = self._links()
        for proxy in proxies:
            proxy.hold()
        time.sleep(self.dice.uniform(1, self.longest_s))
        for proxy in proxies:
            proxy.release()
        return self._healed()

    def unanswered(self, run_ids: list[str]) -> Harm:
        """The server has committed, and who asked it to will never know."""
        self.victim(run_ids)
        for seat in self.platform.at_work:
            before = seat.database.unanswered
            seat.database.lose_answer(b"COMMIT")
            wait_until(lambda seat=seat, before=before: seat.database.unanswered > before, "a commit is not answered")  # type: ignore[misc]
        return self._healed()

    def _links(self) -> list[TcpProxy]:
        """The way of one manager to the database and that of the other one to its broker, or both of one."""
        seats = self.dice.sample(self.platform.at_work, len(self.platform.at_work))
        return [seats[0].database, seats[-1 if self.dice.random() < 0.5 else 0].broker]

    def _healed(self) -> Harm:
        self.await_heartbeats(LINK)
        return Harm()

    # -- Brokers -------------------------------------------------------------------------------------------------------

    def rabbitmq(self, run_ids: list[str]) -> Harm:
        """Killed under load, and back some seconds later: nobody waits for it."""
        rabbit = self.platform.rabbit
        wait_until(rabbit.answers, "RabbitMQ is there")
        self._ring_while(self.platform.seats[0], run_ids, rabbit.kill)
        run_ids += self.platform.queue(each=1)
        self.victim(run_ids)
        rabbit.launch()
        return Harm()

    def valkey(self, run_ids: list[str]) -> Harm:
        """The same; cache and live pages go with it."""
        self._ring_while(self.platform.seats[1], run_ids, self.platform.valkey.terminate)
        run_ids += self.platform.queue(each=1)
        self.victim(run_ids)
        self.platform.start_valkey()
        return Harm()

    def _ring_while(self, seat: Seat, run_ids: list[str], kill: Callable[[], None]) -> None:
        """Somebody rings and rings until the broker is gone."""
        self.victim(run_ids)
        rung = threading.Event()

        def ring() -> None:
            try:
                while True:
                    self.platform.ring(seat, "runs", times=50)
                    rung.set()
            except Exception:  # noqa: BLE001 - each driver raises its own; it is gone, and that is what was wanted
                rung.set()

        ringing = threading.Thread(target=ring)
        ringing.start()
        rung.wait(30)
        kill()
        ringing.join(60)
        assert not ringing.is_alive()

    # -- Clocks --------------------------------------------------------------------------------------------------------

    def clock_ahead(self, run_ids: list[str]) -> Harm:
        return self._clock_jumps(run_ids, FAR_S)

    def clock_behind(self, run_ids: list[str]) -> Harm:
        return self._clock_jumps(run_ids, -FAR_S)

    def _clock_jumps(self, run_ids: list[str], seconds: int) -> Harm:
        """One machine is two hours off: nothing begins early, nothing is too late, nobody is taken for dead."""
        self.victim(run_ids)
        number = self.dice.randrange(len(self.platform.seats))
        seat, (idle, waiting, failing) = self.platform.seats[number], self.platform.others
        clocks.turn(seat.clock, seconds)
        try:
            self.await_heartbeats(CLOCK)
            patient = make_run(waiting, trigger=Runtime.Trigger.RETRY, not_before=utc_now() + timedelta(minutes=30))
            order = issue_command(idle, START, source=ADMIN, deadline_at=utc_now() + timedelta(minutes=30))
            failed = make_run(failing, queue=f"seat-{number}", args={**failing.args, "exit_code": 3})
            more = self.platform.queue(each=1, lines=20)
            wait_until(lambda: self.platform.has_ended([failed.pk, *more]), "runs end while a clock is wrong")
            self.await_heartbeats(CLOCK)
            retry = Runtime.objects.get(app=failing, state=State.QUEUED)
            assert retry.not_before is not None
            assert timedelta(minutes=29) < retry.not_before - database_now() < timedelta(minutes=31)
            assert Runtime.objects.get(pk=patient.pk).state == State.QUEUED, "its time is in half an hour"
            assert Command.objects.get(pk=order.pk).state == Command.Progress.PENDING, "its deadline is in half an hour"
        finally:
            clocks.turn(seat.clock, 0)
            Runtime.objects.filter(app__in=self.platform.others, state=State.QUEUED).delete()
            Command.objects.filter(app=idle).delete()
        run_ids += [failed.pk, *more]
        return Harm(ended_as={failed.pk: State.FAILED})
