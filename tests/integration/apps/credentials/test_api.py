"""Credentials for programs: a way in, and none out."""

from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import AuditEntry
from apps.api.models import StoredAnswer
from apps.credentials.models import Credential
from apps.credentials.selectors import secrets_of
from tests.integration.factories import BOOKS, make_app
from tests.integration.people import signed_in

pytestmark = pytest.mark.django_db

PATH = f"/api/v1/apps/{BOOKS}/credentials/api_key"
VALUE = "correct horse battery staple"


def put(value: str = VALUE, path: str = PATH, **headers: str) -> Any:
    return signed_in("admin").put(path, {"value": value}, content_type="application/json", headers=headers)


def test_a_value_goes_in_and_never_comes_out() -> None:
    app = make_app()

    stored = put(**{"Idempotency-Key": "k"})

    assert stored.status_code == 200
    assert secrets_of(app.pk) == {"api_key": VALUE}
    listed = signed_in("operator").get("/api/v1/credentials", {"app": BOOKS})
    assert [row["name"] for row in listed.json()["items"]] == ["api_key"]
    assert VALUE not in (stored.content + listed.content).decode()
    assert not StoredAnswer.objects.exists()
    assert VALUE not in str(AuditEntry.objects.values())


def test_a_new_value_takes_the_place_of_the_old_one() -> None:
    app = make_app()
    put()

    put("another value altogether")

    assert secrets_of(app.pk) == {"api_key": "another value altogether"}


@pytest.mark.parametrize("value", ["", "abc", "nul\x00inside-of-it"])
def test_a_value_that_cannot_be_kept_is_refused_and_not_repeated(value: str) -> None:
    make_app()

    refused = put(value)

    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/value"
    assert not Credential.objects.exists()


def test_a_credential_is_forgotten() -> None:
    make_app()
    put()

    assert signed_in("admin").delete(PATH).status_code == 200
    assert signed_in("admin").delete(PATH).status_code == 404
    assert not Credential.objects.exists()
    assert put(path="/api/v1/apps/no.such.app/credentials/api_key").status_code == 404
    assert put(path=f"/api/v1/apps/{BOOKS}/credentials/Not-A-Name").status_code == 422
