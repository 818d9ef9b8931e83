"""Leases: one statement takes, the row's own time counts, the token lets go, the run's end ends."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apps.core.clock import utc_now
from apps.proxies import banning
from apps.proxies.leasing import LEASE_S, Holder, end_overdue, release, release_run, renew, reserve
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, Verdict
from apps.runtime.ending import end_run
from apps.runtime.leaseholder import holder_of
from apps.runtime.models import State
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__")

SHOP, NOBODY = "shop.example", Holder()


@pytest.fixture
def now() -> datetime:
    return utc_now().replace(microsecond=0)


def provider(name: str = "list", *, ips: int = 1, **values: object) -> Provider:
    row = Provider.objects.create(name=name, kind=Provider.Kind.LIST, **{"cooldown_s": 300, **values})
    for number in range(1, ips + 1):
        ProxyExit.objects.create(
            provider=row,
            session=f"s{number}",
            label=f"p{number}",
            address=f"198.18.0.{number}",
            verdict=Verdict.GOOD,
            judged_at=utc_now() + timedelta(days=1),
        )
    return row


def take(row: Provider, now: datetime, *, site: str = SHOP, holder: Holder = NOBODY, **options: object):  # type: ignore[no-untyped-def]
    return reserve(row, site, holder, now=now, fresh_since=now - timedelta(hours=1), **options)  # type: ignore[arg-type]


def later(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def test_an_address_is_had_once_for_a_site(now: datetime) -> None:
    row = provider(ips=2)

    one, other = take(row, now), take(row, now)

    assert {one.ip, other.ip} == {"198.18.0.1", "198.18.0.2"}
    assert take(row, now) is None
    assert take(row, now, site="elsewhere.example") is not None


def test_it_rests_for_the_site_after_it_was_given_back(now: datetime) -> None:
    row = provider()
    first = take(row, now)

    assert release(first.token, now=later(now, 10))

    assert take(row, later(now, 309)) is None
    second = take(row, later(now, 310))
    assert second.fence == first.fence + 1
    assert ProxyReservation.objects.count() == 1


def test_a_late_release_changes_nothing(now: datetime) -> None:
    row = provider(cooldown_s=0)
    first = take(row, now)
    assert take(row, later(now, LEASE_S - 1)) is None
    second = take(row, later(now, LEASE_S))

    assert not release(first.token, now=later(now, LEASE_S + 1))
    assert renew([first], NOBODY, now=later(now, LEASE_S + 1)) == set()

    assert take(row, later(now, LEASE_S + 2)) is None
    assert renew([second], NOBODY, now=later(now, LEASE_S + 2)) == {second.token}


def test_the_time_of_the_row_counts_and_not_that_of_who_comes(now: datetime) -> None:
    row = provider(cooldown_s=0)
    assert take(row, now, ttl_s=1000) is not None

    assert take(row, later(now, 999), ttl_s=1) is None
    assert take(row, later(now, 1000), ttl_s=1) is not None


def test_renewing_keeps_it_and_what_ran_out_is_not_brought_back(now: datetime) -> None:
    row = provider(ips=2, cooldown_s=0)
    kept, lost = take(row, now), take(row, now, ttl_s=30)

    assert renew([kept, lost], NOBODY, now=later(now, 40)) == {kept.token}

    assert take(row, later(now, 40 + LEASE_S - 1)).ip == lost.ip
    assert take(row, later(now, 40 + LEASE_S - 1)) is None


def test_who_cannot_be_trusted_is_not_taken(now: datetime) -> None:
    row = provider(ips=3)
    ProxyExit.objects.filter(session="s1").update(verdict=Verdict.LIES)
    ProxyExit.objects.filter(session="s2").update(judged_at=now - timedelta(hours=2))
    banning.strike("198.18.0.3", SHOP, reason="403", now=now)

    assert take(row, now) is None
    assert take(row, now, site="elsewhere.example").ip == "198.18.0.3"
    assert take(row, later(now, 301)).ip == "198.18.0.3"


def test_the_end_of_a_run_ends_its_leases_and_gives_it_no_more(now: datetime) -> None:
    row, run = provider(ips=3), make_run(make_app(), State.RUNNING)
    holder = holder_of(run)
    held, others = take(row, now, holder=holder), take(row, now)

    assert end_run(run, State.CRASHED, now=now, cause="lost")

    mine = ProxyReservation.objects.get(token=held.token)
    assert (mine.released_at, mine.ended_as, mine.runtime) == (now, "RUN_ENDED", run.pk)
    assert not ProxyReservation.objects.open().filter(runtime=run.pk).exists()
    assert ProxyReservation.objects.open().get().token == others.token
    assert take(row, now, holder=holder) is None
    assert renew([held], holder, now=now) == set()
    assert release_run(run.pk, now=now) == 0


def test_a_run_that_was_given_up_keeps_nothing(now: datetime) -> None:
    row, run = provider(), make_run(make_app(), State.RUNNING)
    held = take(row, now, holder=holder_of(run))
    type(run).objects.filter(pk=run.pk).update(epoch=run.epoch + 1)

    assert renew([held], holder_of(run), now=later(now, 1)) == set()


def test_leases_that_ran_out_are_shown_as_such(now: datetime) -> None:
    held = take(provider(), now)

    assert end_overdue(now=later(now, LEASE_S - 1)) == 0
    assert end_overdue(now=later(now, LEASE_S)) == 1
    assert ProxyReservation.objects.get(token=held.token).ended_as == "EXPIRED"


def test_fifty_failures_at_once_are_one_step(now: datetime) -> None:
    for number in range(50):
        banning.strike("198.18.0.1", SHOP, reason="403", now=later(now, number / 10))

    ban = ProxyBan.objects.get()
    assert (ban.level, ban.failures, ban.until) == (1, 50, later(now, 300))


def test_a_ban_grows_step_by_step_and_ends(now: datetime) -> None:
    lengths, at = [], now
    for _ in range(7):
        banning.strike("198.18.0.1", SHOP, reason="403", now=at)
        ban = ProxyBan.objects.get()
        lengths.append((ban.until - at).total_seconds())
        at = ban.until

    assert lengths == [300, 1200, 3600, 14400, 86400, 30 * 86400, 30 * 86400]


def test_after_a_ban_was_lifted_a_step_takes_its_time(now: datetime) -> None:
    banning.strike("198.18.0.1", SHOP, reason="403", now=now)
    ProxyBan.objects.update(until=later(now, 1))

    assert banning.strike("198.18.0.1", SHOP, reason="403", now=later(now, 2)) == 1
    assert banning.strike("198.18.0.1", SHOP, reason="403", now=later(now, 301)) == 2


def test_a_ban_sinks_by_a_step_each_quiet_day_and_goes(now: datetime) -> None:
    banning.strike("198.18.0.1", SHOP, reason="403", now=now)
    banning.strike("198.18.0.1", SHOP, reason="403", now=later(now, 300))
    quiet = later(now, 300 + 1200 + 86400)

    assert banning.decay(now=later(quiet, -1)) == 0
    assert banning.decay(now=quiet) == 1
    assert ProxyBan.objects.get().level == 1
    assert banning.decay(now=quiet) == 0
    banning.decay(now=later(quiet, 86400))
    assert not ProxyBan.objects.exists()


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_processes_that_are_killed_hold_no_address_twice() -> None:
    out = StringIO()

    call_command("proxy_stress", workers=8, ips=3, seconds=2.0, lease_s=1, kills_per_s=3.0, stdout=out)

    told = dict(word.split("=") for word in re.findall(r"\w+=\S+", out.getvalue()))
    assert told["double_holds"] == "0"
    assert int(told["leases"]) > 0
    assert int(told["killed"]) >= 1
    assert not Provider.objects.exists()
    assert not ProxyReservation.objects.exists()
