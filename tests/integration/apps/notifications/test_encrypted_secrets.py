"""The secrets of channels: encrypted by a migration, bound to where they are sent, and errors in sentences."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from apps.core.clock import utc_now
from apps.core.encryption.keys import CannotOpen, Key, NoKeys
from apps.notifications.models import Channel, Delivery
from apps.notifications.services import send_test
from tests.integration.people import signed_in
from tests.servers.hook import hook

pytestmark = pytest.mark.django_db(databases="__all__")

SECRET = "canary of a channel"
MIGRATION = import_module("apps.notifications.migrations.0002_encrypted_secrets")


def as_it_was() -> Any:
    """The apps before the migration: the secret of a channel is a plain text."""
    return MigrationLoader(connection).project_state(("notifications", "0001_initial")).apps


def write(pk: int, secret: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE notifications_channel SET secret = %s WHERE id = %s", [secret, pk])


def stored() -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, secret FROM notifications_channel")
        return dict(cursor.fetchall())


def test_the_migration_encrypts_what_is_there_and_goes_back() -> None:
    one = Channel.objects.create(name="one", service="WEBHOOK", url="https://x.example/")
    two = Channel.objects.create(name="two", service="SLACK")
    write(one.pk, SECRET)
    apps, editor = as_it_was(), SimpleNamespace(connection=connection)
    MIGRATION.encrypt(apps, editor)
    first = stored()
    MIGRATION.encrypt(apps, editor)  # again after a kill
    assert stored() == first
    assert SECRET not in first[one.pk]
    assert first[two.pk] == ""
    assert Channel.objects.get(name="one").secret == SECRET
    MIGRATION.decrypt(apps, editor)
    assert stored() == {one.pk: SECRET, two.pk: ""}


def test_the_migration_binds_to_what_the_model_does() -> None:
    assert Channel._meta.get_field("secret").bound_to == tuple(MIGRATION.BOUND_TO)


def test_a_channel_that_is_pointed_elsewhere_in_the_database_does_not_give_its_secret() -> None:
    with hook() as server:
        Channel.objects.create(name="one", service="WEBHOOK", url="https://x.example/", secret=SECRET)
        Channel.objects.update(url=server.url, is_private_allowed=True)
        channel = Channel.objects.get()
        with pytest.raises(CannotOpen):
            _ = channel.secret
        delivery = send_test(channel, actor=None, source="ADMIN", now=utc_now())
        assert server.posts == []
    assert delivery.state == Delivery.State.FAILED
    assert delivery.error == (
        "The secret of the channel cannot be used. It was changed in the database, or belongs to another row: "
        "enter it again."
    )


def test_without_its_key_the_page_opens_and_asks_for_the_secret_again(settings: Any) -> None:
    channel = Channel.objects.create(name="one", service="WEBHOOK", url="https://x.example/", secret=SECRET)
    settings.DC_SECRETS_KEYS = Key(b"2" * 32).as_text()
    client, page = signed_in("admin"), f"/admin/notifications/channel/{channel.pk}/change/"
    assert client.get(page).status_code == 200
    values = {
        "name": "two",
        "service": "WEBHOOK",
        "url": "https://x.example/",
        "smtp_security": "STARTTLS",
        "secret": "",
    }
    refused = client.post(page, values)
    assert "Type it again. It was encrypted with the key" in refused.text
    assert client.post(page, values | {"secret": "another secret of it"}).status_code == 302
    assert Channel.objects.get().secret == "another secret of it"


def test_without_any_key_a_channel_is_refused_with_a_sentence(settings: Any) -> None:
    settings.DC_SECRETS_KEYS = ""
    values = {
        "name": "x",
        "service": "WEBHOOK",
        "url": "https://x.example/",
        "smtp_security": "STARTTLS",
        "secret": SECRET,
    }
    response = signed_in("admin").post("/admin/notifications/channel/add/", values)
    assert "It cannot be stored. There is no key for secrets" in response.text
    assert not Channel.objects.exists()
    with pytest.raises(NoKeys):
        Channel.objects.create(name="y", service="WEBHOOK", secret=SECRET)
