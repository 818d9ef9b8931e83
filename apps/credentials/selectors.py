"""Reads: the secrets of an app, and which key each stored secret was encrypted with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import connections, models, router
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from apps.core.encryption.fields import EncryptedTextField
from apps.core.encryption.keys import CannotOpen, EncryptionError, key_id_of
from apps.credentials.models import Credential


class CredentialsUnusable(ValueError):
    """A credential of an app cannot be decrypted; the message says which and why. Other apps are as well as before."""


def secrets_of(app_id: int) -> dict[str, str]:
    """Name -> value of the credentials of an app. Raises `CredentialsUnusable`."""
    found: dict[str, str] = {}
    for credential in Credential.objects.filter(app=app_id).order_by("name"):
        try:
            found[credential.name] = str(credential.value)
        except EncryptionError as error:
            raise CredentialsUnusable(f'The credential "{credential.name}" cannot be used. {error}') from None
    return found


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """One column of one table that holds encrypted values."""

    model: type[models.Model]
    field: EncryptedTextField

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.field.name}"

    @property
    def alias(self) -> str:
        """The connection its rows are on."""
        return router.db_for_write(self.model)

    def rows(self) -> QuerySet[Any]:
        """The rows that hold a value, which is `stored` as it stands in the database."""
        rows: QuerySet[Any] = self.model._base_manager.using(self.alias).annotate(
            stored=Cast(F(self.field.name), TextField())
        )
        return rows.exclude(stored="").exclude(stored=None)

    def exists(self) -> bool:
        """Whether its table is there: a room may not have been migrated."""
        return self.model._meta.db_table in connections[self.alias].introspection.table_names()


def encrypted_columns() -> Iterator[EncryptedColumn]:
    """Every encrypted column of every model, those of the rooms included."""
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy:
            for field in model._meta.local_concrete_fields:
                if isinstance(field, EncryptedTextField):
                    yield EncryptedColumn(model, field)


def keys_in_use(column: EncryptedColumn) -> Counter[str]:
    """Key id -> how many values it encrypts; "" counts what is no encrypted value."""
    counts: Counter[str] = Counter()
    for token in column.rows().values_list("stored", flat=True).iterator(chunk_size=2000):
        counts[_key_id(token)] += 1
    return counts


def _key_id(token: str) -> str:
    try:
        return key_id_of(token)
    except CannotOpen:
        return ""
