"""Connections and touched objects for programs."""

from __future__ import annotations

import pytest

from apps.core.clock import utc_now
from apps.databases.models import AppDbObject, Connection
from tests.integration.factories import BOOKS, make_app
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db

SECRET = "the-password-of-the-warehouse"


def test_a_connection_is_shown_without_its_password_and_tested_by_a_manager() -> None:
    Connection.objects.create(
        alias="warehouse", engine="postgresql", host="db.example", name="rows", user="me", password=SECRET
    )
    client, path = signed_in("admin"), "/api/v1/connections/warehouse"

    shown = client.get(path)
    asked = client.post(f"{path}/test", content_type="application/json")

    assert (shown.json()["host"], shown.json()["has_password"]) == ("db.example", True)
    assert SECRET not in (shown.content + client.get("/api/v1/connections").content).decode()
    assert (asked.status_code, asked["Location"]) == (202, path)
    assert Connection.objects.get().test_requested_at is not None
    assert client.get("/api/v1/connections/nothing").status_code == 404


def test_objects_say_which_app_does_what_with_them() -> None:
    AppDbObject.objects.create(
        app=make_app(), connection="default", name="public.books", kind="table", insert_at=utc_now(), last_run="a" * 32
    )
    client = signed_in("viewer")

    found = client.get("/api/v1/objects", {"name": "public.books"}).json()["items"]

    assert [(row["app"], row["kind"], len(row["uses"])) for row in found] == [(BOOKS, "table", 1)]
    assert client.get("/api/v1/objects", {"app": "no.such.app"}).json()["items"] == []
    assert client.get("/api/v1/objects", {"connection": "other"}).json()["items"] == []
