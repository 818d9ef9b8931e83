"""A run by hand of an exclusive app ends itself when it cannot show that it is alive."""

from __future__ import annotations

import threading

from apps.runtime.leash import Leash
from apps.runtime.nodes import LEASE
from apps.runtime.supervision.lease import CUT_OFF_S, boot_time


class Heard:
    def __init__(self) -> None:
        self.words: list[str] = []
        self.killed = threading.Event()

    def leash(self) -> Leash:
        return Leash(ask=lambda: self.words.append("ask"), kill=self.kill)

    def kill(self) -> None:
        self.words.append("kill")
        self.killed.set()


def test_it_is_asked_twice_and_then_killed() -> None:
    heard = Heard()
    leash = heard.leash()
    leash.renew(boot_time() - LEASE.total_seconds())
    leash.start()
    assert heard.killed.wait(30)
    leash.join(30)
    assert heard.words == ["ask", "ask", "kill"]


def test_who_shows_signs_of_life_is_left_alone_and_so_is_who_is_done() -> None:
    heard = Heard()
    leash = heard.leash()
    leash.renew(boot_time())
    leash.start()
    leash.renew(boot_time())
    leash.close()
    leash.renew(boot_time() - LEASE.total_seconds())
    assert (heard.words, leash.is_alive()) == ([], False)


def test_the_first_word_leaves_time_for_the_second() -> None:
    heard = Heard()
    leash = heard.leash()
    leash.renew(boot_time() - CUT_OFF_S)
    leash.start()
    while not heard.words:
        assert leash.is_alive()
    leash.renew(boot_time())
    leash.close()
    assert heard.words == ["ask"]
