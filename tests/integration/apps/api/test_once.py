"""A write that is sent twice is done once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from apps.api.models import StoredAnswer
from apps.api.once import KEPT
from apps.core.clock import utc_now
from apps.runtime.models import Command, Runtime
from tests.integration.factories import BOOKS, make_app
from tests.integration.people import make_person, signed_in

START = f"/api/v1/apps/{BOOKS}/start"


def send(client: Client, path: str = START, body: Any = None, key: str = "key-1") -> Any:
    return client.post(path, body or {}, content_type="application/json", headers={"Idempotency-Key": key})


@pytest.mark.django_db
def test_the_same_key_again_has_the_same_answer_and_no_second_run() -> None:
    make_app(is_enabled=True)
    client = signed_in()

    first, again = send(client), send(client)

    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert again["Location"] == first["Location"] == f"/api/v1/commands/{Command.objects.get().pk}"
    assert again["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first
    assert Runtime.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "body"), [(START, {"limit": 2}), (f"/api/v1/apps/{BOOKS}/stop", {})])
def test_the_same_key_for_something_else_is_refused(path: str, body: Any) -> None:
    make_app(is_enabled=True)
    client = signed_in()
    send(client)

    refused = send(client, path, body)

    assert refused.status_code == 422
    assert refused.json()["type"].endswith(":key-reused")
    assert Command.objects.count() == 1


@pytest.mark.django_db
def test_keys_of_different_people_do_not_meet() -> None:
    make_app(is_enabled=True)

    assert send(signed_in("operator")).status_code == 202
    assert send(signed_in("admin"), body={"limit": 3}).status_code == 409
    assert Command.objects.count() == 2


@pytest.mark.django_db
def test_a_refusal_of_the_state_of_things_is_kept_too() -> None:
    make_app(is_enabled=False)
    client = signed_in()

    first, again = send(client), send(client)

    assert first.status_code == again.status_code == 409
    assert again.content == first.content
    assert Command.objects.count() == 1


@pytest.mark.django_db
def test_what_was_not_done_leaves_the_key_free() -> None:
    client = signed_in()
    assert send(client).status_code == 404

    make_app(is_enabled=True)

    assert send(client).status_code == 202


@pytest.mark.django_db
def test_a_key_is_forgotten_in_the_end() -> None:
    make_app(is_enabled=True)
    client = signed_in()
    send(client)
    StoredAnswer.objects.update(expires_at=utc_now() - timedelta(seconds=1))

    assert send(client).status_code == 409  # it is queued already: the platform looked again
    assert StoredAnswer.objects.get().expires_at > utc_now() + KEPT - timedelta(minutes=5)


@pytest.mark.django_db
def test_old_answers_of_others_go_too() -> None:
    make_app(is_enabled=True)
    send(signed_in("operator"))
    StoredAnswer.objects.update(expires_at=utc_now() - timedelta(seconds=1))

    send(signed_in("admin"))

    assert StoredAnswer.objects.count() == 1


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["", "x" * 201, "schlüssel"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    make_app(is_enabled=True)

    assert send(signed_in(), key=key).status_code == 422


@pytest.mark.django_db(transaction=True)
def test_of_requests_that_arrive_together_one_is_done_and_all_have_its_answer() -> None:
    make_app(is_enabled=True)
    make_person("superuser")
    answers: list[Any] = []
    together = threading.Barrier(4)

    def ask() -> None:
        client = signed_in()
        together.wait()
        answers.append(send(client))
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({answer.content for answer in answers}) == 1
    assert Runtime.objects.count() == Command.objects.count() == 1
