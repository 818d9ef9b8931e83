"""A column whose values are encrypted before they reach the database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute

from apps.core.encryption.keys import PREFIX, EncryptionError, key_id_of
from apps.core.encryption.ring import current_ring
from collectors.toolkit.journal.known import known

if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField

#: Between the parts of a context: no value of a row holds it.
SEPARATOR = "\x1f"


class Sealed:
    """What stands in the database. Prints nothing of it."""

    __slots__ = ("token",)

    def __init__(self, token: str) -> None:
        self.token = token

    @property
    def key_id(self) -> str:
        """Which key it was encrypted with. Raises `CannotOpen`."""
        return key_id_of(self.token)

    def __repr__(self) -> str:
        return "<encrypted>"


class Opened(str):
    """A decrypted value that remembers what stood in the database, so that storing it unchanged is possible."""

    __slots__ = ("sealed",)
    sealed: Sealed

    def __repr__(self) -> str:
        return "'******'"


class EncryptedAttribute(DeferredAttribute):
    """The value is decrypted when somebody asks for it, every time: a row that is only listed needs no key."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        value = super().__get__(instance, cls)
        if not isinstance(value, Sealed):
            return value
        field: EncryptedTextField = self.field  # type: ignore[assignment]
        return field.open(instance, value)

    def __set__(self, instance: models.Model, value: Any) -> None:
        # With this method the class is asked before the dictionary of the instance.
        instance.__dict__[self.field.attname] = value.sealed if isinstance(value, Opened) else value


class EncryptedTextField(_TextField):
    """A text that only the key ring makes readable; "" and None are stored as they are.

    `bound_to` names fields of the row. Their values are authenticated with the text, so a token that is copied to a row
    in which they differ does not open. Set the text again when they change. Reading raises `EncryptionError`. The
    text is written by `save()` and `bulk_create()`; it cannot be searched for, nor set by `update()`.
    """

    descriptor_class = EncryptedAttribute

    def __init__(self, *args: Any, bound_to: Sequence[str] = (), **kwargs: Any) -> None:
        self.bound_to = tuple(bound_to)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        if self.bound_to:
            kwargs["bound_to"] = list(self.bound_to)
        return name, path, args, kwargs

    # -- Its place ----------------------------------------------------------------------------------------------------

    def context(self, instance: models.Model) -> str:
        """What the value of this row is bound to."""
        fields = (instance._meta.get_field(name) for name in self.bound_to)
        values = (getattr(instance, getattr(field, "attname", field.name)) for field in fields)
        return context_of(instance._meta.label_lower, self.attname, values)

    def open(self, instance: models.Model, value: Sealed) -> Opened:
        """The text of a row. Raises `EncryptionError`."""
        opened = Opened(current_ring().open(value.token, self.context(instance)))
        opened.sealed = value
        known.learn(opened)
        return opened

    def problem(self, instance: models.Model) -> str:
        """Why the value of a row cannot be had, as a sentence; empty when it can. The text is thrown away."""
        value = instance.__dict__.get(self.attname)
        try:
            if isinstance(value, Sealed):
                current_ring().open(value.token, self.context(instance))
        except EncryptionError as error:
            return str(error)
        return ""

    def is_set(self, instance: models.Model) -> bool:
        """Whether a row has a value, be it readable or not."""
        return bool(instance.__dict__.get(self.attname))

    def seal(self, instance: models.Model, text: str) -> Sealed:
        """The value of a row for the database. Raises `EncryptionError`."""
        known.learn(text)
        return Sealed(current_ring().seal(text, self.context(instance)))

    # -- To and from the database -------------------------------------------------------------------------------------

    def from_db_value(self, value: str | None, _expression: Any, _connection: Any) -> Sealed | str | None:
        return Sealed(value) if value else value

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's signature
        value = model_instance.__dict__.get(self.attname)
        if isinstance(value, str) and value:
            value = self.seal(model_instance, value)
            # From here on the instance is as if it had been read: the plain text is not kept.
            setattr(model_instance, self.attname, value)
        return value

    def get_prep_value(self, value: Any) -> str | None:
        match value:
            case Sealed():
                return value.token
            case Opened():
                return value.sealed.token
            case None | "":
                return value
        raise TypeError(f"{self.name} is encrypted: set it on an instance and save that; it cannot be searched for.")

    def get_lookup(self, lookup_name: str) -> Any:
        return super().get_lookup(lookup_name) if lookup_name in ("exact", "isnull") else None

    # -- Forms and dumps -----------------------------------------------------------------------------------------------

    def value_from_object(self, obj: models.Model) -> str:
        """For forms: a secret goes in and does not come out."""
        return ""

    def value_to_string(self, obj: models.Model) -> str:
        """For `dumpdata`: what stands in the database."""
        value = obj.__dict__.get(self.attname)
        return value.token if isinstance(value, Sealed) else self.seal(obj, value).token if value else ""

    def to_python(self, value: Any) -> Any:
        return Sealed(value) if isinstance(value, str) and value.startswith(PREFIX) else value


def context_of(label: str, field: str, values: Any) -> str:
    """The context of a field of the model `label` ("app.model"), in a row with these values of what it is bound to."""
    return SEPARATOR.join([label, field, *(str(value) for value in values)])
