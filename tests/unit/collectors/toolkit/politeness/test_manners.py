"""How a session behaves towards real sites; time is the test's own where pauses would take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from collectors.toolkit.errors import (
    BadStatus,
    FetchError,
    Reaction,
    SiteUnreachable,
    StopRun,
)
from collectors.toolkit.http import Limits, Profile, Request, Retries, Session, networks
from collectors.toolkit.http.unsent import CircuitOpen, RobotsRefused, SiteResting
from collectors.toolkit.politeness.circuits import IN_A_ROW
from collectors.toolkit.politeness.ledger import Bid, Slot
from collectors.toolkit.politeness.manners import Manners
from collectors.toolkit.politeness.memory import MemoryLedger
from collectors.toolkit.politeness.pauses import Pause
from tests.unit.collectors.toolkit.http.drivers import WAYS, Driver

HERE = Profile(allowed=networks("127.0.0.0/8"), retries=Retries(count=0))


@dataclass
class Host:
    """What the test sets, and when what was asked for."""

    url: str = ""
    robots: str | int = 404
    status: int = 200
    retry_after: str = ""
    holds_s: float = 0.0
    seen: list[tuple[str, float]] = field(default_factory=list)
    under_way: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.seen]

    @property
    def gaps(self) -> list[float]:
        times = [at for _, at in self.seen]
        return [after - before for before, after in pairwise(times)]


@pytest.fixture
def host() -> Iterator[Host]:
    seen = Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            with seen.lock:
                seen.seen.append((self.path, time.monotonic()))
                seen.under_way += 1
                seen.most_at_once = max(seen.most_at_once, seen.under_way)
            time.sleep(seen.holds_s)
            status, body = seen.status, b"page"
            if self.path == "/robots.txt":
                is_text = isinstance(seen.robots, str)
                status, body = (200, str(seen.robots).encode()) if is_text else (int(seen.robots), b"")
            elif self.path.startswith("/to/"):
                status = 302
            self.send_response(status)
            if status == 302:
                self.send_header("Location", self.path.removeprefix("/to"))
            if seen.retry_after and self.path != "/robots.txt":
                self.send_header("Retry-After", seen.retry_after)
            self.send_header("Content-Length", str(len(body)))
            with seen.lock:
                seen.under_way -= 1
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    seen.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield seen
    server.shutdown()
    server.server_close()
    thread.join(5)


class Time:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now


class FastSession(Session):
    """Waits by moving the clock."""

    clock: Time

    def wait(self, seconds: float) -> bool:
        self.clock.waited.append(seconds)
        self.clock.now += seconds
        return not self.stop_requested

    async def pause(self, seconds: float) -> bool:
        return self.wait(seconds)


Client = Callable[..., Driver]


@pytest.fixture(params=WAYS)
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Makes a client with manners; the test runs once for each way to call it."""
    made: list[Driver] = []

    def make(
        pause: Pause | None = Pause(1.0, 1.0),  # noqa: B008 - it does not change
        *,
        ledger: MemoryLedger | None = None,
        clock: Time | None = None,
        profile: Profile = HERE,
        **more: object,
    ) -> Driver:
        clock = clock or Time()
        manners = Manners(ledger or MemoryLedger(clock=clock), pause=pause, clock=clock, **more)  # type: ignore[arg-type]
        session = FastSession(profile, manners=manners)
        session.clock = clock
        made.append(Driver(request.param, profile, session=session))
        return made[-1]

    yield make
    for driver in made:
        driver.close()


def waited(driver: Driver) -> list[float]:
    session = driver.client.session
    assert isinstance(session, FastSession)
    return session.clock.waited


def test_between_two_requests_lies_the_pause_and_a_little(host: Host, client: Client) -> None:
    driver = client()

    for _ in range(3):
        driver.get(f"{host.url}/page")

    assert host.paths == ["/robots.txt", *["/page"] * 3]
    assert waited(driver) == pytest.approx([1.05] * 3)


def test_real_time_passes_between_real_requests(host: Host) -> None:
    session = Session(HERE, manners=Manners(MemoryLedger(), pause=Pause(0.15, 0.2), obeys_robots=False))
    request = Request(session=session)
    began = time.monotonic()

    for _ in range(3):
        request.get(f"{host.url}/page")
    request.close()

    # Not by when they arrived: the first one is a while on its way, because the client is set up after its turn.
    assert time.monotonic() - began >= 2 * 0.15
    summary = session.metrics.summary()
    assert summary["waited_s"] >= 0.3
    assert summary["p99_ms"] < 1000 * summary["waited_s"]


def test_this_machine_is_spared_where_the_source_says_nothing(host: Host, client: Client) -> None:
    driver = client(None)

    for _ in range(3):
        driver.get(f"{host.url}/page")

    assert host.paths == ["/page"] * 3
    assert waited(driver) == []


def test_each_hop_of_a_redirect_has_its_turn(host: Host, client: Client) -> None:
    driver = client(obeys_robots=False)

    driver.get(f"{host.url}/to/to/page")

    assert host.paths == ["/to/to/page", "/to/page", "/page"]
    assert waited(driver) == pytest.approx([1.05, 1.05])


def test_each_further_attempt_has_its_turn(host: Host, client: Client) -> None:
    host.status = 500
    driver = client(obeys_robots=False, profile=Profile(allowed=HERE.allowed, retries=Retries(2, base_s=0.0)))

    with pytest.raises(BadStatus):
        driver.get(f"{host.url}/page")

    assert len(host.paths) == 3
    assert sum(waited(driver)) == pytest.approx(2.1)


def test_what_robots_refuses_is_not_fetched(host: Host, client: Client) -> None:
    host.robots = "User-agent: *\nDisallow: /private\nAllow: /private/open"
    driver = client()

    with pytest.raises(RobotsRefused, match=r"/private was not fetched: .*/robots.txt does not want it") as caught:
        driver.get(f"{host.url}/private")
    driver.get(f"{host.url}/private/open")
    driver.get(f"{host.url}/page")

    assert caught.value.reaction is Reaction.SKIP
    assert host.paths == ["/robots.txt", "/private/open", "/page"]


def test_a_source_that_says_so_does_not_ask_robots(host: Host, client: Client) -> None:
    host.robots = "User-agent: *\nDisallow: /"

    client(obeys_robots=False).get(f"{host.url}/page")

    assert host.paths == ["/page"]


def test_the_crawl_delay_is_the_least_pause(host: Host, client: Client) -> None:
    host.robots = "User-agent: *\nCrawl-delay: 8"
    driver = client()

    for _ in range(3):
        driver.get(f"{host.url}/page")

    assert waited(driver)[1:] == pytest.approx([8.05, 8.05])


@pytest.mark.parametrize(("status", "is_fetched"), [(404, True), (403, True), (500, False), (503, False)])
def test_without_robots_all_is_allowed_and_while_it_is_broken_nothing(
    host: Host, client: Client, *, status: int, is_fetched: bool
) -> None:
    host.robots = status
    driver = client()

    if is_fetched:
        driver.get(f"{host.url}/page")
    else:
        for _ in range(2):
            with pytest.raises(RobotsRefused):
                driver.get(f"{host.url}/page")

    assert host.paths == ["/robots.txt", "/page"] if is_fetched else ["/robots.txt"]


def test_a_file_is_asked_for_again_when_it_is_old(host: Host, client: Client) -> None:
    clock = Time()
    driver = client(clock=clock)
    driver.get(f"{host.url}/page")
    clock.now += 90_000
    driver.get(f"{host.url}/page")

    assert host.paths == ["/robots.txt", "/page"] * 2


def test_nobody_fetches_before_the_retry_after_is_over(host: Host, client: Client) -> None:
    clock = Time()
    ledger = MemoryLedger(clock=clock)
    one, other = (client(ledger=ledger, clock=clock, obeys_robots=False) for _ in range(2))
    host.status, host.retry_after = 429, "7"
    with pytest.raises(BadStatus):
        one.get(f"{host.url}/page")
    told_at, host.status, host.retry_after = clock.now, 200, ""

    other.get(f"{host.url}/page")

    assert clock.now - told_at >= 7


def test_a_rest_that_is_too_long_is_not_waited_for(host: Host, client: Client) -> None:
    host.status, host.retry_after = 503, "9000"
    driver = client(obeys_robots=False)
    with pytest.raises(BadStatus):
        driver.get(f"{host.url}/page")

    with pytest.raises(SiteResting, match=r"was not fetched: it asked for no requests for another \d+ s"):
        driver.get(f"{host.url}/page")

    assert len(host.paths) == 1


def test_pauses_grow_with_each_429_and_shrink_with_answers(host: Host, client: Client) -> None:
    driver = client(Pause(2.0, 2.0), obeys_robots=False)
    host.status = 429
    for _ in range(3):
        with pytest.raises(BadStatus):
            driver.get(f"{host.url}/page")
    host.status = 200
    for _ in range(200):
        driver.get(f"{host.url}/page")

    grown = waited(driver)[:4]
    assert grown == sorted(grown)
    assert max(waited(driver)) > 3.5
    assert waited(driver)[-1] == pytest.approx(2.05)


def test_without_a_pause_the_ledger_is_hardly_asked(
    host: Host, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = MemoryLedger()
    asked: list[Bid] = []
    take = ledger.take

    def counted(bid: Bid) -> Slot:
        asked.append(bid)
        return take(bid)

    monkeypatch.setattr(ledger, "take", counted)
    driver = client(Pause(0.0, 0.0), ledger=ledger, obeys_robots=False)

    for _ in range(10):
        driver.get(f"{host.url}/page")

    assert len(asked) == 1  # the clock of the session stands still


def test_a_host_that_is_down_is_left_alone_and_tried_by_one(client: Client) -> None:
    clock = Time()
    driver = client(Pause(0.0, 0.0), clock=clock, obeys_robots=False)
    url = "http://127.0.0.1:9/page"  # nobody listens there
    for _ in range(IN_A_ROW):
        with pytest.raises(SiteUnreachable):
            driver.get(url)

    with pytest.raises(CircuitOpen, match="did not answer, 5 times in a row; it is tried again in 30 s"):
        driver.get(url)
    clock.now += 31
    with pytest.raises(SiteUnreachable):
        driver.get(url)
    with pytest.raises(CircuitOpen, match="tried again in 60 s"):
        driver.get(url)


def test_a_host_that_answers_again_is_fetched_from_again(host: Host, client: Client) -> None:
    clock = Time()
    ledger = MemoryLedger(clock=clock)
    one, other = (client(Pause(0.0, 0.0), ledger=ledger, clock=clock, obeys_robots=False) for _ in range(2))
    other.get(f"{host.url}/page")
    host.status = 500
    for _ in range(IN_A_ROW):
        with pytest.raises(BadStatus):
            one.get(f"{host.url}/page")
    clock.now += 1
    with pytest.raises(CircuitOpen):
        other.get(f"{host.url}/page")

    host.status = 200
    clock.now += 31

    assert other.get(f"{host.url}/page").status_code == 200
    clock.now += 1
    assert one.get(f"{host.url}/page").status_code == 200


def test_so_many_at_once_and_no_more(host: Host) -> None:
    manners = Manners(MemoryLedger(at_once=1), pause=Pause(0.0, 0.0), obeys_robots=False)
    session = Session(HERE, manners=manners)
    host.holds_s = 0.05

    def fetch() -> None:
        request = Request(session=session)
        request.get(f"{host.url}/page")
        request.close()

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(host.paths) == 4
    assert host.most_at_once == 1


def test_who_is_asked_to_stop_waits_no_longer(host: Host, client: Client) -> None:
    stop = threading.Event()
    ledger = MemoryLedger(at_once=1)
    driver = client(obeys_robots=False, ledger=ledger)
    driver.client.session.stop = stop
    driver.get(f"{host.url}/page")
    stop.set()

    with pytest.raises(StopRun, match="asked to stop while it waited for its turn at 127"):
        driver.get(f"{host.url}/page")
    assert ledger.lend(host.url.removeprefix("http://"), 1, 5.0), "the place was given back"


def test_waiting_is_no_part_of_the_time_a_page_may_take(host: Host, client: Client) -> None:
    manners = Manners(MemoryLedger(), pause=Pause(0.6, 0.6), obeys_robots=False)
    request = Request(session=Session(replace(HERE, limits=Limits(seconds=0.5)), manners=manners))
    try:
        for _ in range(2):
            assert request.get(f"{host.url}/page").elapsed.total_seconds() < 0.5
    except FetchError as error:  # pragma: no cover - what this test is about
        pytest.fail(str(error))
    finally:
        request.close()
