"""The base of every table of collected rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.db import models
from django.db.models import Q
from django.db.models.signals import class_prepared
from django.utils.timezone import is_naive

from collectors.toolkit.merge import make_hash

#: Fields that the platform fills; everything else on a DataTable is business.
PLATFORM_FIELDS = frozenset({"id", "sha", "archived_at", "archived_by", "created_at", "modified_at", "runtime"})


class SHAHashableMixin(models.Model):
    """Fills `sha` when a row is saved one by one; the merge does it in bulk."""

    sha = models.CharField(max_length=64, editable=False, help_text="Hash of the business fields.")

    class Meta:
        abstract = True

    @classmethod
    def hash_fields(cls) -> list[str]:
        """The names of the fields that the hash covers, sorted."""
        raise NotImplementedError

    def save(self, *args: Any, update_fields: Iterable[str] | None = None, **kwargs: Any) -> None:
        names = self.hash_fields()
        fields = [field for field in self._meta.concrete_fields if field.name in names]
        self.sha = make_hash({field.name: field.to_python(getattr(self, field.attname)) for field in fields})
        if update_fields is not None and not set(names).isdisjoint(update_fields := list(update_fields)):
            update_fields = [*update_fields, "sha"]
        super().save(*args, update_fields=update_fields, **kwargs)


def true_at(moment: datetime) -> Q:
    """The condition of `DataTableQuerySet.as_of`."""
    if is_naive(moment):
        raise ValueError(f"{moment.isoformat()} has no zone: say which moment you mean")
    return Q(Q(archived_at__isnull=True) | Q(archived_at__gt=moment), created_at__lte=moment)


class DataTableQuerySet(models.QuerySet[Any]):
    def current(self) -> Self:
        """Rows that are true now; the others are history."""
        return self.filter(archived_at__isnull=True)

    def as_of(self, moment: datetime) -> Self:
        """Rows that were true at that moment: written at or before it, and not archived until after it.

        Raises `ValueError` for a moment without a zone.
        """
        return self.filter(true_at(moment))


class DataTable(SHAHashableMixin):
    """Collected rows with their history: a changed row is the archived old version and a new current one.

    A subclass names its natural key, and may name the fields a merge can be limited to:

        class Book(DataTable):
            natural_key = ("isbn",)
            isbn = models.CharField(max_length=13)
            title = models.CharField(max_length=200)
    """

    #: Fields that tell one thing from another. Required.
    natural_key: ClassVar[tuple[str, ...]] = ()
    #: Fields that `merge(scope=...)` may name.
    scope_fields: ClassVar[tuple[str, ...]] = ()
    #: Fields that the hash leaves out: a change of these alone makes no new version.
    unhashed_fields: ClassVar[tuple[str, ...]] = ()
    #: The connection the table lives on (docs/databases.md); empty: the database of collected rows.
    connection_alias: ClassVar[str] = ""

    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_by = models.CharField(max_length=32, blank=True, editable=False, help_text="The run that archived it.")
    created_at = models.DateTimeField(auto_now_add=True)
    modified_at = models.DateTimeField(auto_now=True)
    runtime = models.CharField(max_length=32, blank=True, editable=False, help_text="The run that wrote it.")

    objects = DataTableQuerySet.as_manager()

    class Meta(SHAHashableMixin.Meta):
        abstract = True

    @classmethod
    def hash_fields(cls) -> list[str]:
        left_out = PLATFORM_FIELDS | set(cls.unhashed_fields)
        return sorted(field.name for field in cls._meta.concrete_fields if field.name not in left_out)


def _finish_table(sender: type[models.Model], **_: Any) -> None:
    """Give every concrete DataTable its unique index: one current row per natural key.

    Django reads `Meta.constraints` before a base class could add to it, so the constraint joins when the class is
    ready; `original_attrs` is where makemigrations looks. A wrong natural key fails the import of its room, alone.
    """
    if not issubclass(sender, DataTable) or sender._meta.abstract:
        return
    if not sender.natural_key:
        raise ImproperlyConfigured(f"{sender.__name__} names no natural_key: the fields that tell its rows apart.")
    for name in (*sender.natural_key, *sender.scope_fields, *sender.unhashed_fields):
        try:
            sender._meta.get_field(name)
        except FieldDoesNotExist:
            raise ImproperlyConfigured(
                f'{sender.__name__}: "{name}" is named as a key, scope or unhashed field, but is no field.'
            ) from None
    name = f"{sender._meta.db_table}_current_key"
    if len(name) > 60:
        name = f"current_key_{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    sender._meta.constraints = [
        *sender._meta.constraints,
        models.UniqueConstraint(fields=list(sender.natural_key), condition=Q(archived_at__isnull=True), name=name),
    ]
    sender._meta.original_attrs["constraints"] = sender._meta.constraints


class_prepared.connect(_finish_table)
