"""The palette: what it offers to whom, and what is done from it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from apps.accounts.models import RoleGrant
from apps.console.palette.words import VERBS, understand
from apps.core.clock import utc_now
from apps.runtime.models import Command, Runtime, State
from tests.integration.factories import make_app, make_node, make_run
from tests.integration.people import grant, make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

SEARCH, ACT = "/admin/search/", "/admin/palette/act/"


def found(client: Client, words: str, **query: str) -> str:
    return client.get(SEARCH, {"s": words, **query}).text


def do(client: Client, verb: str, app: Any, key: str = "k") -> Any:
    return client.post(ACT, {"verb": verb, "app": app.pk, "key": key})


@pytest.mark.parametrize(
    ("text", "verbs", "rest"),
    [
        ("stop books", ("STOP",), ("books",)),
        ("STOP  shop.books", ("STOP",), ("shop.books",)),
        ("sta books", ("START",), ("books",)),
        ("st books", ("START", "STOP"), ("books",)),
        ("tail", ("tail",), ()),
        ("books", (), ()),
        ("s", (), ()),
        ("", (), ()),
    ],
)
def test_a_verb_may_stand_in_front_and_may_be_unfinished(
    text: str, verbs: tuple[str, ...], rest: tuple[str, ...]
) -> None:
    asked = understand(text)
    assert (asked.verbs, asked.rest if asked.verbs else ()) == (verbs, rest)


def test_it_leads_to_apps_runs_tables_and_pages() -> None:
    app = make_app()
    run = make_run(app, State.RUNNING)
    viewer = signed_in("viewer")
    assert f"/admin/registry/app/{app.pk}/change/" in found(viewer, "Shop")
    assert f"/admin/runtime/runtime/{run.pk}/change/" in found(viewer, run.pk[:6])
    assert "/admin/examples_shop_books/book/" in found(viewer, "books")
    assert "/admin/runtime/command/" in found(viewer, "commands")
    assert f"/admin/runtime/runtime/{run.pk}/log/" in found(viewer, "tail boo")
    assert "Nothing fits" in found(viewer, "zzzz")


def test_somebody_without_a_role_finds_nothing_but_home() -> None:
    run = make_run(make_app(), State.RUNNING)
    guest = signed_in("")
    for words in ("shop", run.pk[:6], "tail shop", "stop shop", "runs"):
        assert "Nothing fits" in found(guest, words), words


def test_what_was_taken_from_somebody_is_not_found_a_moment_later() -> None:
    app = make_app()
    grant(make_person("", name="part"), "operator", app)
    part, key = signed_in("part"), f"app:{app.pk}"
    assert app.code in found(part, "books")
    assert app.code in found(part, "", recent=key)

    RoleGrant.objects.all().delete()

    assert app.code not in found(part, "books") + found(part, "", recent=key) + found(part, "stop books")


def test_verbs_are_offered_to_those_who_may_and_destructive_ones_ask_first() -> None:
    app = make_app(is_enabled=True)
    offered = found(signed_in("operator"), "stop books")
    assert f'data-verb="STOP" data-app="{app.pk}" data-question="Stop {app.code}?"' in offered
    assert f'data-verb="START" data-app="{app.pk}" data-question=""' in found(signed_in("operator"), "run books")
    for verb in VERBS:
        assert "data-verb" not in found(signed_in("viewer"), f"{verb} books"), verb


def test_what_was_used_last_comes_first() -> None:
    first, second = make_app("a.b.first"), make_app("a.b.second")
    client = signed_in("operator")
    known = f"app:{second.pk},START:{first.pk},run:gone,page:/admin/runtime/command/,nonsense,app:99999999999999999999"
    opened = found(client, "", recent=known)
    assert (
        opened.index(f"app:{second.pk}") < opened.index(f"START:{first.pk}") < opened.index("/admin/runtime/command/")
    )
    searched = found(client, "a.b", recent=known)
    assert searched.index("a.b.second") < searched.index("a.b.first")


def test_it_asks_a_fixed_number_of_queries_and_shows_a_bounded_number_of_lines(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(50):
        make_run(make_app(f"prices.acme.app{number:02}"), State.FAILED)
    client = signed_in("superuser")
    found(client, "acme")
    with django_assert_num_queries(3):  # session, user, apps with their newest run
        assert found(client, "acme").count("/change/") == 20
    with django_assert_num_queries(4):  # and apps that could be stopped
        assert found(client, "stop acme").count("data-verb") == 8


def test_a_command_is_given_once_and_tells_how_far_it_is() -> None:
    app, client = make_app(is_enabled=True), signed_in("operator")
    answer = do(client, "START", app).json()
    run = Runtime.objects.get()
    assert answer["step"] == "done"
    assert [link["href"] for link in answer["links"]] == [
        f"/admin/runtime/runtime/{run.pk}/change/",
        f"/admin/runtime/runtime/{run.pk}/log/",
        f"/admin/runtime/command/{Command.objects.get().pk}/change/",
    ]
    assert do(client, "START", app).json()["links"] == answer["links"]
    assert Runtime.objects.count() == Command.objects.count() == 1
    assert "already" in do(client, "START", app, key="another").json()["text"]


def test_a_stop_is_followed_from_requested_to_done() -> None:
    app, client = make_app(is_enabled=True), signed_in("operator")
    make_run(app, State.RUNNING, owner=make_node())
    answer = do(client, "STOP", app).json()
    assert (answer["step"], answer["text"]) == ("requested", f"stop {app.code}")

    steps = []
    for state in ("CLAIMED", "EXECUTED"):
        Command.objects.update(state=state, finished_at=utc_now() if state == "EXECUTED" else None)
        steps.append(client.get(answer["poll"]).json()["step"])
    assert steps == ["accepted", "done"]
    assert signed_in("").get(answer["poll"]).status_code == 404


def test_nothing_is_done_by_get_without_a_token_or_above_ones_role() -> None:
    app = make_app(is_enabled=True)
    assert signed_in("operator").get(f"{ACT}?verb=START&app={app.pk}").status_code == 405
    careful = Client(enforce_csrf_checks=True)
    careful.cookies = signed_in("operator").cookies
    assert do(careful, "START", app).status_code == 403
    refused = do(signed_in("viewer"), "START", app)
    assert (refused.status_code, refused.json()["step"]) == (403, "refused")
    assert do(signed_in("operator"), "EXPLODE", app).status_code == 404
    for number in ("x", "9" * 30, ""):
        assert signed_in("operator").post(ACT, {"verb": "START", "app": number}).status_code == 404
    taken = do(signed_in("operator"), "START", app), do(signed_in("operator"), "STOP", app)
    assert [answer.status_code for answer in taken] == [200, 409]
    assert Command.objects.count() == 1
