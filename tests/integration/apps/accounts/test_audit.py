from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction

from apps.accounts import audit
from apps.accounts.models import AuditEntry, AuditSweep
from apps.core.clock import utc_now
from apps.credentials.models import Credential
from apps.notifications.models import Channel
from tests.integration.factories import make_app
from tests.integration.people import make_client, make_person

pytestmark = pytest.mark.django_db


def write(**values: object) -> AuditEntry:
    return audit.record("app.changed", "a.b.c", **{"source": "ADMIN", "now": utc_now(), **values})


def test_an_entry_says_who_from_where_and_what_changed() -> None:
    person, app = make_person("admin"), make_app()
    client, _ = make_client()

    entry = write(
        actor=person,
        client=client,
        address="192.0.2.7",
        obj=app,
        before={"cron": "", "owner": person, "tags": ["x"]},
        after={"cron": "@daily", "owner": None, "tags": []},
        reason="they asked",
    )
    entry.refresh_from_db()

    assert (entry.actor_name, entry.client_name, entry.address) == ("admin", "robot", "192.0.2.7")
    assert (entry.object_type, entry.object_id) == ("registry.app", str(app.pk))
    assert entry.before == {"cron": "", "owner": "admin", "tags": ["x"]}
    assert entry.after == {"cron": "@daily", "owner": None, "tags": []}
    assert entry.details == {"reason": "they asked"}


def test_secrets_are_masked_whatever_they_are_called() -> None:
    entry = write(obj=Credential(app=make_app(), name="login"), after={"value": "hunter2-hunter2", "name": "login"})
    named = write(after={"password": "hunter2", "api_token": "hunter2", "client_secret": "", "passphrase": "hunter2"})
    channel = write(obj=Channel(name="mail"), after={"secret": "hunter2"})

    assert entry.after == {"value": "******", "name": "login"}
    assert named.after == {"password": "******", "api_token": "******", "client_secret": "", "passphrase": "******"}
    assert channel.after == {"secret": "******"}


def test_what_serves_a_request_says_once_for_whom() -> None:
    client, _ = make_client()

    with audit.asking(address="192.0.2.8"):
        with audit.asking(client=client):
            both = write()
        one = write()
    none = write()

    assert (both.client_name, both.address) == ("robot", "192.0.2.8")
    assert (one.client_name, one.address) == ("", "192.0.2.8")
    assert (none.client_name, none.address) == ("", None)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE accounts_auditentry SET subject = 'somebody else'",
        "UPDATE accounts_auditentry SET actor_id = NULL",
        "DELETE FROM accounts_auditentry",
    ],
)
def test_the_database_refuses_to_change_or_delete_an_entry(statement: str) -> None:
    write()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEntry.objects.get().subject == "a.b.c"


def test_the_database_refuses_to_empty_the_trail_at_once() -> None:
    if connection.vendor != "postgresql":
        return  # SQLite has no TRUNCATE
    write()

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE accounts_auditentry")


def test_retention_deletes_what_is_old_and_closes_the_door_behind_it() -> None:
    now = utc_now()
    write(now=now - timedelta(days=400))
    kept = write(now=now - timedelta(days=10))

    assert list(audit.expire(now - timedelta(days=365), is_real=False)) == [1]
    assert AuditEntry.objects.count() == 2
    assert list(audit.expire(now - timedelta(days=365), is_real=True)) == [1]

    assert list(AuditEntry.objects.all()) == [kept]
    assert not AuditSweep.objects.exists()
    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.all().delete()


def test_retention_for_one_day_opens_no_other() -> None:
    now = utc_now()
    write(now=now)
    AuditSweep.objects.create(before=now - timedelta(days=365))

    with pytest.raises(DatabaseError), transaction.atomic():
        AuditEntry.objects.all().delete()


def test_a_person_can_be_deleted_and_the_trail_remembers_them() -> None:
    person = make_person("admin")
    write(actor=person)

    person.delete()

    entry = AuditEntry.objects.get()
    assert entry.actor_name == "admin"
    assert entry.actor_id is not None
