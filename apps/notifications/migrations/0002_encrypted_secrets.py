"""The secrets of channels are encrypted, those that are there as well. Needs a key where there is something to encrypt."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from apps.core.encryption.fields import EncryptedTextField, context_of
from apps.core.encryption.keys import PREFIX
from apps.core.encryption.ring import current_ring

BOUND_TO = ["service", "smtp_host", "smtp_user", "smtp_security", "url"]


def rows(apps: Any, schema_editor: Any) -> Any:
    return apps.get_model("notifications", "Channel").objects.using(schema_editor.connection.alias).exclude(secret="")


def context(channel: Any) -> str:
    return context_of("notifications.channel", "secret", [getattr(channel, name) for name in BOUND_TO])


def encrypt(apps: Any, schema_editor: Any) -> None:
    for channel in rows(apps, schema_editor):
        if not channel.secret.startswith(PREFIX):
            channel.secret = current_ring().seal(channel.secret, context(channel))
            channel.save(update_fields=["secret"])


def decrypt(apps: Any, schema_editor: Any) -> None:
    for channel in rows(apps, schema_editor):
        if channel.secret.startswith(PREFIX):
            channel.secret = current_ring().open(channel.secret, context(channel))
            channel.save(update_fields=["secret"])


class Migration(migrations.Migration):
    dependencies = [("notifications", "0001_initial")]

    # The column stays a text. While rows are rewritten, the field is still the plain one.
    operations = [
        migrations.RunPython(encrypt, decrypt),
        migrations.AlterField(
            model_name="channel",
            name="secret",
            field=EncryptedTextField(
                blank=True,
                bound_to=BOUND_TO,
                help_text="Never shown again; leave empty to keep what is there.",
            ),
        ),
    ]
