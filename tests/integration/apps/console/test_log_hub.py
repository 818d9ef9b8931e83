"""What all who follow a run share in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.models import User
from apps.console.log_stream import feed
from apps.console.log_stream.access import NOT_ALLOWED, SIGNED_OUT, Visitor, refused
from apps.console.log_stream.hub import Hub
from apps.console.log_stream.reader import Reader
from apps.console.log_stream.viewer import WAITING_BYTES, Viewer, data_frame
from apps.console.log_viewer.rows import LineBatch
from apps.console.sockets.passes import Pass
from apps.runtime.models import Runtime, State
from apps.runtime.wakeups import wakeup_group
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import say, session_of
from tests.integration.people import grant, make_person

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class CountingReader(Reader):
    """Counts its questions for lines."""

    asked = 0

    async def lines(self, run_id: str, after: int, upto: int | None = None) -> LineBatch | None:
        self.asked += 1
        return await super().lines(run_id, after, upto)


class Listener:
    """A viewer without a connection: keeps what it is sent."""

    def __init__(self, visitor: Visitor) -> None:
        self.sent: list[dict[str, Any]] = []
        self.viewer = Viewer(visitor, self.send)

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def follow(self, hub: Hub, run: Runtime, after: int = 0) -> None:
        async with hub.following(run.pk, self.viewer) as feed:
            self.viewer.cursor = after
            await feed.catch_up(self.viewer, hub.past)
            await self.viewer.send_offered()


def with_hub(layer: Any, do: Callable[[Hub], Awaitable[None]]) -> None:
    async def main() -> None:
        hub = Hub(layer)
        hub.live = CountingReader("test")
        try:
            await do(hub)
        finally:
            await hub.close()
            await sync_to_async(connections.close_all)()

    asyncio.run(main())


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.01)


@pytest.fixture
def run() -> Runtime:
    return make_run(make_app(), State.RUNNING)


@pytest.fixture
def visitor(run: Runtime) -> Visitor:
    person = make_person("viewer")
    return Visitor(Pass(session_of(person), person.pk), run.pk)


@pytest.fixture
def without_looks(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on nobody looks because it was quiet for long: what arrives then has another reason."""
    return lambda: monkeypatch.setattr(feed, "QUIET_S", 3600.0)


def test_a_wakeup_is_one_read_and_one_frame_for_all(
    run: Runtime, visitor: Visitor, without_looks: Callable[[], None]
) -> None:
    layer = InMemoryChannelLayer()
    without_looks()

    async def do(hub: Hub) -> None:
        listeners = [Listener(visitor) for _ in range(50)]
        tasks = [asyncio.create_task(one.follow(hub, run)) for one in listeners]
        await until(lambda: run.pk in hub.feeds and len(hub.feeds[run.pk].viewers) == 50)
        # It is rung for once when it is subscribed; after that it reads nothing by itself.
        await until(lambda: hub.feeds[run.pk].is_rung and not hub.feeds[run.pk]._rung.is_set())
        reader: Any = hub.live
        await reader.call(lambda: None)
        before = reader.asked
        await sync_to_async(say)(run, 1, 30)
        await layer.group_send(wakeup_group(run.pk), {"type": "wake", "run": run.pk})
        await until(lambda: all(one.sent for one in listeners))
        assert reader.asked == before + 1
        assert len({id(one.sent[-1]) for one in listeners}) == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert hub.feeds == {}

    with_hub(layer, do)


def test_a_layer_that_loses_every_message_loses_no_line(
    run: Runtime, visitor: Visitor, without_looks: Callable[[], None]
) -> None:
    async def do(hub: Hub) -> None:
        listener = Listener(visitor)
        task = asyncio.create_task(listener.follow(hub, run))
        await until(lambda: run.pk in hub.feeds and hub.feeds[run.pk].is_rung and not hub.feeds[run.pk]._rung.is_set())
        await hub.live.call(lambda: None)
        await sync_to_async(say)(run, 1, 5)
        await until(lambda: bool(listener.sent))
        # It has been found to lose messages: the next line is looked for sooner.
        without_looks()
        await sync_to_async(say)(run, 6, 6)
        await until(lambda: len(listener.sent) == 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_hub(InMemoryChannelLayer(), do)


def test_without_a_layer_the_database_is_asked_more_often(
    run: Runtime, visitor: Visitor, without_looks: Callable[[], None]
) -> None:
    without_looks()

    async def do(hub: Hub) -> None:
        listener = Listener(visitor)
        task = asyncio.create_task(listener.follow(hub, run))
        await until(lambda: run.pk in hub.feeds and bool(hub.feeds[run.pk].viewers))
        await sync_to_async(say)(run, 1, 1)
        await until(lambda: bool(listener.sent))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    with_hub(None, do)


def test_who_is_ahead_of_the_feed_gets_no_line_twice(run: Runtime, visitor: Visitor) -> None:
    async def do(hub: Hub) -> None:
        await sync_to_async(say)(run, 1, 3)
        early, ahead = Listener(visitor), Listener(visitor)
        tasks = [asyncio.create_task(early.follow(hub, run)), asyncio.create_task(ahead.follow(hub, run, after=5))]
        await until(lambda: run.pk in hub.feeds and len(hub.feeds[run.pk].viewers) == 2)
        await sync_to_async(say)(run, 4, 8)
        await until(lambda: bool(ahead.sent) and len(early.sent) == 2)
        assert '"n":6' in ahead.sent[0]["text"]
        assert '"n":5' not in ahead.sent[0]["text"]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with_hub(None, do)


def test_who_comes_to_a_busy_run_is_served_from_memory(run: Runtime, visitor: Visitor) -> None:
    async def do(hub: Hub) -> None:
        hub.past = past = CountingReader("past")
        first = Listener(visitor)
        tasks = [asyncio.create_task(first.follow(hub, run))]
        await until(lambda: run.pk in hub.feeds and bool(hub.feeds[run.pk].viewers))
        for number in range(1, 41):
            await sync_to_async(say)(run, number, number)
            hub.feeds[run.pk].ring()
            await until(lambda: first.viewer.delivered == number)  # noqa: B023
        later = [Listener(visitor) for _ in range(20)]
        tasks += [asyncio.create_task(one.follow(hub, run, after=15)) for one in later]
        await until(lambda: all(one.viewer.delivered == 40 for one in later))
        assert past.asked == 0
        heard = [int(part.partition(",")[0]) for message in later[0].sent for part in message["text"].split('"n":')[1:]]
        assert heard == list(range(16, 41))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    with_hub(None, do)


class Reconnecting:
    """A client that keeps what it got from every connection, and goes on behind it."""

    def __init__(self, hub: Hub, run: Runtime, visitor: Visitor) -> None:
        self.hub, self.run, self.visitor = hub, run, visitor
        self.heard: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def come(self) -> None:
        """Open another connection, unless there is one."""
        if self.tasks:
            return
        self.listener = Listener(self.visitor)
        self.tasks = [asyncio.create_task(self.listener.follow(self.hub, self.run, self.cursor))]

    async def drop(self) -> None:
        """Lose the connection, and whatever was on its way."""
        for task in self.tasks:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for message in self.listener.sent:
                self.heard += [int(part.partition(",")[0]) for part in message["text"].split('"n":')[1:]]
        self.tasks = []

    @property
    def cursor(self) -> int:
        return self.heard[-1] if self.heard else 0


STEPS = st.lists(st.sampled_from(["say", "say many", "ring", "wait", "drop", "come"]), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_breaks_the_client_has_what_the_database_has(steps: list[str], visitor: Visitor, run: Runtime) -> None:
    fresh = make_run(run.app, State.QUEUED)

    async def do(hub: Hub) -> None:
        client, last = Reconnecting(hub, fresh, visitor), 0
        for step in ["come", *steps]:
            if step.startswith("say"):
                count = 40 if step == "say many" else 1
                await sync_to_async(say)(fresh, last + 1, last + count)
                last += count
            elif step == "come":
                client.come()
            elif step == "drop":
                await client.drop()
            elif step == "ring" and fresh.pk in hub.feeds:
                hub.feeds[fresh.pk].ring()
            await asyncio.sleep(0.02 if step == "wait" else 0)
        await client.drop()
        client.come()
        await until(lambda: client.listener.viewer.delivered >= last or client.cursor >= last)
        await client.drop()
        assert client.heard == list(range(1, last + 1))

    with_hub(None, do)


def test_what_waits_for_one_client_is_bounded() -> None:
    async def do() -> None:
        async def never(_message: dict[str, Any]) -> None:
            await asyncio.Event().wait()

        viewer = Viewer(Visitor(Pass("slow", 0), "run"), never)
        viewer.sender = asyncio.create_task(viewer.send_offered())
        frame = data_frame("run", 0, b'"' + b"x" * 100_000 + b'"')
        taken = 0
        while viewer.closing is None:
            viewer.offer(frame)
            taken += frame.size
            await asyncio.sleep(0)
        assert WAITING_BYTES < taken < WAITING_BYTES + 2 * frame.size
        assert viewer.closing == (4408, "Too slow; go on after=0")
        await asyncio.gather(viewer.sender, return_exceptions=True)

    asyncio.run(do())


def test_permissions_of_any_number_of_viewers_are_three_questions(django_assert_num_queries: Any) -> None:
    people = [make_person("viewer", name=f"reader {number}") for number in range(10)]
    visitors = [Visitor(Pass(session_of(person), person.pk), "run") for person in people]
    User.objects.filter(pk=people[3].pk).update(is_active=False)
    people[4].groups.clear()
    with django_assert_num_queries(3):
        codes = refused(visitors)
    assert codes == {visitors[3]: SIGNED_OUT, visitors[4]: NOT_ALLOWED}


def test_who_reads_by_a_grant_follows_those_runs_and_stops_with_it() -> None:
    own, foreign = make_run(make_app("shop.books.list")), make_run(make_app("news.daily.list"))
    person = make_person()
    given = grant(person, "viewer", own.app)
    here, there = (Visitor(Pass(session_of(person), person.pk), run.pk) for run in (own, foreign))

    assert refused([here, there]) == {there: NOT_ALLOWED}
    given.delete()
    assert refused([here, there]) == {here: NOT_ALLOWED, there: NOT_ALLOWED}


def test_who_left_or_chose_another_password_is_signed_out() -> None:
    run = make_run(make_app())
    gone, changed = make_person("viewer", name="gone"), make_person("viewer", name="changed")
    visitors = [Visitor(Pass(session_of(person), person.pk), run.pk) for person in (gone, changed)]
    assert refused(visitors) == {}

    gone.is_active = False
    gone.save()
    changed.set_password("quite-another-password")
    changed.save()

    assert refused(visitors) == dict.fromkeys(visitors, SIGNED_OUT)
