"""The pages of sites, what Home says of them, and the API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import AuditEntry
from apps.core.attention import Look
from apps.core.clock import utc_now
from apps.politeness.models import Circuit, RobotsFile, Site
from apps.politeness.needs import find_needs
from tests.integration.people import make_person, messages_of, signed_in

pytestmark = pytest.mark.django_db

PAGES = "/admin/politeness/site/"


def make_site(name: str = "shop.example", **values: Any) -> Site:
    return Site.objects.create(name=name, used_low_s=1.0, used_high_s=3.0, **values)


def cut(site: Site, *, minutes: int = 30, **values: Any) -> Circuit:
    now = utc_now()
    opened = (now - timedelta(minutes=minutes)).timestamp()
    until = (now + timedelta(minutes=5)).timestamp()
    return Circuit.objects.create(
        site=site, host=f"www.{site.name}", egress="direct", why="it did not answer", opened_time=opened, until=until,
        **values,
    )  # fmt: skip


def test_the_list_says_how_long_the_pause_is_and_why() -> None:
    seconds = utc_now().timestamp()
    make_site("calm.example")
    site = make_site(
        "busy.example",
        penalty_s=4.0,
        penalty_why="429",
        refused_count=3,
        refused_time=seconds - 60,
        rest_until=seconds + 9_030,
    )
    cut(site)

    page = signed_in("viewer").get(PAGES).text

    assert "1.0 s to 3.0 s" in page
    assert "5.0 s to 7.0 s" in page
    assert "it answered 429" in page
    assert "2 h 30 min" in page
    assert "1 open" in page


@pytest.mark.parametrize(("state", "name"), [("slowed", "a"), ("resting", "b"), ("cut", "c"), ("set", "d")])
def test_the_list_is_narrowed_to_those_with_which_something_is_the_matter(state: str, name: str) -> None:
    make_site("a.example", penalty_s=1.0)
    make_site("b.example", rest_until=utc_now().timestamp() + 600)
    cut(make_site("c.example"))
    make_site("d.example", low_s=1.0, high_s=2.0)

    found = signed_in("viewer").get(PAGES, {"state": state}).context["cl"].queryset

    assert [row.name for row in found] == [f"{name}.example"]


def test_an_operator_sets_the_pause_and_turns_that_were_given_stay() -> None:
    site = make_site(next_time=1.0)
    browser, page = signed_in("operator"), f"{PAGES}{site.pk}/change/"
    assert browser.get(page).status_code == 200
    Site.objects.update(next_time=99.0)  # while the form is open

    assert browser.post(page, {"low_s": "2", "high_s": "4", "at_once": "3"}).status_code == 302

    site.refresh_from_db()
    assert (site.low_s, site.high_s, site.at_once, site.next_time) == (2.0, 4.0, 3, 99.0)
    entry = AuditEntry.objects.get(action="site.changed")
    assert (entry.subject, entry.after["low_s"]) == ("shop.example", 2.0)


@pytest.mark.parametrize(
    ("low_s", "high_s", "said"),
    [
        ("2", "", "Give both, or neither."),
        ("5", "2", "not shorter than the least"),
        ("-1", "2", "greater than or equal"),
    ],
)
def test_a_pause_that_is_none_is_refused(low_s: str, high_s: str, said: str) -> None:
    page = f"{PAGES}{make_site().pk}/change/"

    assert said in signed_in("operator").post(page, {"low_s": low_s, "high_s": high_s, "at_once": "0"}).text


def test_the_page_names_the_ways_that_are_closed_and_lets_requests_through_again() -> None:
    site = make_site()
    cut(site)
    RobotsFile.objects.create(
        site=site, origin="https://shop.example", fetched_time=utc_now().timestamp(), status=200, text="x", crawl_s=8.0
    )
    browser = signed_in("operator")
    page = browser.get(f"{PAGES}{site.pk}/change/").text
    assert "www.shop.example (direct)" in page
    assert "it did not answer" in page
    assert "Crawl-delay 8.0 s" in page

    closed = browser.post(f"{PAGES}{site.pk}/close-circuits/", follow=True)

    assert messages_of(closed) == ["1 circuit was closed."]
    site.refresh_from_db()
    assert (site.circuits, Circuit.objects.filter(is_open=True).count()) == (1, 0)
    assert AuditEntry.objects.filter(action="site.circuits_closed", subject="shop.example").exists()


def test_robots_is_asked_for_again() -> None:
    site = make_site()
    RobotsFile.objects.create(site=site, origin="https://shop.example", fetched_time=1.0, status=200)

    signed_in("operator").post(f"{PAGES}{site.pk}/forget-robots/")

    assert not RobotsFile.objects.exists()
    assert AuditEntry.objects.filter(action="site.robots_forgotten").exists()


def test_who_may_only_look_changes_nothing() -> None:
    site = make_site()
    browser = signed_in("viewer")

    assert browser.post(f"{PAGES}{site.pk}/change/", {"at_once": "3"}).status_code == 403
    assert browser.post(f"{PAGES}{site.pk}/close-circuits/").status_code == 403
    assert browser.post(f"{PAGES}{site.pk}/forget-robots/").status_code == 403
    assert signed_in("operator").post(f"{PAGES}999999/close-circuits/").status_code == 404


def test_home_names_what_has_not_answered_for_a_while() -> None:
    cut(make_site("short.example"), minutes=2)
    cut(make_site("long.example"), minutes=30)
    cut(make_site("over.example"), minutes=30, is_open=False)
    look = Look(asker=make_person("operator"), now=utc_now())

    needs = list(find_needs(look))

    assert [item.subject for need in needs for item in need.items] == ["www.long.example (direct)"]
    assert "lets requests through again" in needs[0].step


def patch(client: Client, path: str, body: Any, version: str) -> Any:
    return client.patch(path, body, content_type="application/json", headers={"If-Match": version})


def test_programs_read_sites_and_set_their_pauses() -> None:
    cut(make_site(why="crawl-delay"))
    make_site("other.example")
    client, path = signed_in("operator"), "/api/v1/sites/shop.example"

    found = client.get("/api/v1/sites", {"why": "crawl-delay"}).json()["items"]
    shown = client.get(path)
    changed = patch(client, path, {"low_s": 2, "high_s": 5}, shown["ETag"])
    wrong = patch(client, path, {"low_s": 9}, changed["ETag"])
    closed = client.post(f"{path}/close-circuits", content_type="application/json")

    assert [row["name"] for row in found] == ["shop.example"]
    assert (shown.json()["pause_high_s"], shown.json()["why"], shown.json()["low_s"]) == (3.0, "crawl-delay", None)
    assert (changed.status_code, changed.json()["high_s"]) == (200, 5.0)
    assert changed["ETag"] != shown["ETag"]
    assert wrong.status_code == 422
    assert (shown.json()["open_circuits"], closed.json()["open_circuits"]) == (1, 0)
    assert client.get("/api/v1/sites/nothing.example").status_code == 404
