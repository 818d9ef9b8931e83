"""Further databases: where they are, and what their last test has found."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext as _

from apps.core.choices import Choices, ColouredChoices
from apps.core.encryption.fields import EncryptedTextField
from apps.registry.models import App

#: Databases that the settings name; a row must not take their place.
RESERVED_ALIASES = frozenset({"default", "data"})


def refuse_reserved(alias: str) -> None:
    """The names of the settings are taken. Raises `ValidationError`."""
    if alias in RESERVED_ALIASES:
        raise ValidationError(_('"%(alias)s" is a database of the settings; choose another name.') % {"alias": alias})


class Connection(models.Model):
    """One database beside those of the settings."""

    class Auth(Choices):
        PASSWORD = "PASSWORD", "user and password"
        INTEGRATED = "INTEGRATED", "the account of the platform's processes"

    class Tls(Choices):
        PREFER = "PREFER", "if the server offers it"
        REQUIRE = "REQUIRE", "required"
        VERIFY = "VERIFY", "required, certificate checked"

    class Outcome(ColouredChoices):
        WORKS = "WORKS", "success", "works"
        LIMITED = "LIMITED", "warning", "read only"
        FAILED = "FAILED", "danger", "failed"

    alias = models.CharField(
        max_length=63,
        unique=True,
        validators=[
            RegexValidator(r"^[a-z][a-z0-9_]*\Z", "Write small letters, digits and underscores, a letter first."),
            refuse_reserved,
        ],
        help_text="The name that models and deploy use. It cannot be changed afterwards.",
    )
    engine = models.CharField(max_length=32)
    is_enabled = models.BooleanField("enabled", default=True)
    host = models.CharField(max_length=255, blank=True)
    port = models.PositiveIntegerField(
        null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(65535)]
    )
    name = models.CharField("database", max_length=500, help_text="For SQLite the absolute path of the file.")
    auth = models.CharField("sign in as", max_length=16, choices=Auth, default=Auth.PASSWORD)
    user = models.CharField(max_length=255, blank=True)
    password = EncryptedTextField(bound_to=("alias", "host"), blank=True)
    tls = models.CharField("TLS", max_length=16, choices=Tls, default=Tls.PREFER)
    ca_file = models.CharField(
        "file of authorities",
        max_length=500,
        blank=True,
        help_text="Certificates the server's is checked against; empty: those of this machine.",
    )
    is_read_only = models.BooleanField("read only", default=False)
    options = models.JSONField(default=dict, blank=True, help_text="Further options of the driver, as JSON.")
    created_at = models.DateTimeField(auto_now_add=True)
    modified_at = models.DateTimeField(auto_now=True)
    test_requested_at = models.DateTimeField(null=True, blank=True, editable=False)
    tested_at = models.DateTimeField(null=True, blank=True, editable=False)
    test_outcome = models.CharField(max_length=16, choices=Outcome, blank=True, editable=False)
    test_said = models.TextField(blank=True, editable=False)

    class Meta:
        ordering = ["alias"]

    def __str__(self) -> str:
        return self.alias

    @property
    def has_password(self) -> bool:
        """Whether one is stored; asking needs no key."""
        return bool(self.__dict__.get("password"))

    def clean(self) -> None:
        """What the engine demands. Raises `ValidationError` with the field named."""
        from apps.databases.connectors import CONNECTORS

        connector: Any = CONNECTORS.get(self.engine)
        if connector is None:
            raise ValidationError(
                {"engine": _("Choose one of %(engines)s.") % {"engines": ", ".join(sorted(CONNECTORS))}}
            )
        if problems := connector(self).problems():
            raise ValidationError(problems)


class AppDbObject(models.Model):
    """A table, view or routine that an app has touched, and what it did with it."""

    #: On whose page it stands; what else stands there is what they may see.
    seen_by: Any = None

    class Kind(Choices):
        TABLE = "table"
        VIEW = "view"
        ROUTINE = "routine"

    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="db_objects")
    connection = models.CharField(max_length=63)
    name = models.CharField("object", max_length=300)
    kind = models.CharField(max_length=16, choices=Kind)
    select_at = models.DateTimeField("read", null=True, blank=True)
    insert_at = models.DateTimeField("inserted into", null=True, blank=True)
    update_at = models.DateTimeField("updated", null=True, blank=True)
    delete_at = models.DateTimeField("deleted from", null=True, blank=True)
    call_at = models.DateTimeField("called", null=True, blank=True)
    last_run = models.CharField(max_length=32)

    class Meta:
        ordering = ["connection", "name", "app"]
        verbose_name = "touched object"
        constraints = [models.UniqueConstraint(fields=["app", "connection", "name"], name="app_object_once")]
        indexes = [models.Index(fields=["connection", "name"])]

    def __str__(self) -> str:
        return f"{self.connection}: {self.name}"
