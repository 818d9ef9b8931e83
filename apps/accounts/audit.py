"""Who did what: written once, changed by nobody, deleted by retention alone. The database holds that by triggers."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.db.models import Model

from apps.accounts.models import AuditEntry, AuditSweep, Client, User
from apps.core.encryption.fields import EncryptedTextField

ADMIN, API, PLATFORM = "ADMIN", "API", "PLATFORM"
MASK = "******"
#: Words in the name of a field whose values are nobody's to read again.
SECRET_WORDS = ("password", "secret", "token", "passphrase")
BATCH = 5_000
_json = DjangoJSONEncoder(ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Asking:
    """On whose behalf this thread, or task, works: what the entries that it writes say besides the actor."""

    client_name: str = ""
    address: str | None = None


_asking: ContextVar[Asking] = ContextVar("audit_asking", default=Asking())  # noqa: B039 - frozen


@contextmanager
def asking(*, client: Client | None = None, address: str | None = None) -> Iterator[None]:
    """Entries written inside name this client and address, wherever they are written. What is None stays as it was."""
    was = _asking.get()
    mark = _asking.set(Asking(str(client)[:255] if client else was.client_name, address or was.address))
    try:
        yield
    finally:
        _asking.reset(mark)


def record(action: str, subject: str, **about: Any) -> AuditEntry:
    """Write an entry down, in the caller's transaction; `entry` says what it takes."""
    written = entry(action, subject, **about)
    written.save(force_insert=True)
    return written


def entry(
    action: str,
    subject: str,
    *,
    source: str,
    actor: User | None = None,
    now: datetime,
    client: Client | None = None,
    address: str | None = None,
    obj: Model | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    **details: Any,
) -> AuditEntry:
    """That `actor` did `action` (dotted and past: "app.purged") to `subject`, to be written down.

    Nobody signs in to a shell: without an actor the name is that of the account it belongs to. Where `client` and
    `address` are not given they are those of the request that is served (`asking`). `before` and `after` are the
    fields that changed, by name; `details` is JSON. Values of fields that hold secrets are masked.
    """
    name = actor.get_username() if actor is not None else _account() if source == AuditEntry.SHELL else ""
    known = _asking.get()
    model = type(obj) if obj is not None else None
    return AuditEntry(
        at=now,
        actor=actor,
        actor_name=name,
        client_name=str(client)[:255] if client is not None else known.client_name,
        address=address or known.address,
        source=source,
        action=action,
        subject=subject[:200],
        object_type=obj._meta.label_lower if obj is not None else "",
        object_id=str(obj.pk)[:64] if obj is not None else "",
        before=masked(before or {}, model),
        after=masked(after or {}, model),
        details=details,
    )


def masked(values: Mapping[str, Any], model: type[Model] | None = None) -> dict[str, Any]:
    """The values as JSON can hold them, those of secret fields masked. An empty secret is shown as empty."""
    return {name: _shown(name, value, model) for name, value in values.items()}


def expire(before: datetime | None, *, is_real: bool) -> Iterator[int]:
    """Delete the entries from before then, oldest first: how many went, batch after batch."""
    if before is None:
        return
    due = AuditEntry.objects.filter(at__lt=before)
    if not is_real:
        yield from filter(None, [due.count()])
        return
    while True:
        with transaction.atomic():
            permission = AuditSweep.objects.create(before=before)
            oldest = due.order_by("at", "pk").values_list("pk", flat=True)[:BATCH]
            count = AuditEntry.objects.filter(pk__in=list(oldest)).delete()[0]
            permission.delete()
        if not count:
            return
        yield count


def _shown(name: str, value: Any, model: type[Model] | None) -> Any:
    if value and is_secret(name, model):
        return MASK
    try:
        return _json_value(value)
    except (TypeError, ValueError):
        return str(value)


def is_secret(name: str, model: type[Model] | None) -> bool:
    """Whether a field's values are secrets: it is encrypted, or is called so."""
    fields = {field.name: field for field in model._meta.get_fields()} if model is not None else {}
    return isinstance(fields.get(name), EncryptedTextField) or any(word in name.lower() for word in SECRET_WORDS)


def _json_value(value: Any) -> Any:
    if isinstance(value, Model):
        return str(value)
    if hasattr(value, "model") and hasattr(value, "all"):
        return [str(one) for one in value.all()]
    if isinstance(value, (list, tuple, set)) and any(isinstance(one, Model) for one in value):
        return [str(one) for one in value]
    return json.loads(_json.encode(value))


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""  # a container may run under a number that has no name
