"""People who sign in, programs that do, what each may touch, and what they did."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import is_password_usable
from django.contrib.auth.models import AbstractUser, Group
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from oauth2_provider.models import AbstractApplication

from apps.accounts.redirects import redirect_fault
from apps.accounts.roles import ROLES
from apps.accounts.scopes import SCOPES
from apps.accounts.ways_in import Identity, SecondFactor
from apps.core.choices import ColouredChoices
from apps.core.clock import utc_now

__all__ = [
    "AuditEntry",
    "AuditSweep",
    "Client",
    "Identity",
    "Lockout",
    "LoginLink",
    "RoleGrant",
    "SecondFactor",
    "User",
]

ROLE_CHOICES = [(name, name) for name in ROLES]


class User(AbstractUser):
    """A person. Roles are Django groups; `roles.py` says what each may do.

    Whatever lets somebody in is worth nothing once `sessions_ended_at` has passed it by: browser sessions, because it
    is part of what they are signed with; access and refresh tokens, because they are older than it.
    """

    sessions_ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Sessions and tokens from before then let nobody in."
    )

    language = models.CharField(
        _("language"),
        max_length=8,
        blank=True,
        choices=settings.LANGUAGES,
        help_text=_("In which pages are shown; empty: the one that the browser asks for."),
    )

    visited_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When Home was last opened.")
    visited_before_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the visit before that one ended."
    )
    preferences = models.JSONField(
        default=dict, blank=True, editable=False, help_text="Keys, columns and views (preferences.py)."
    )

    _password: str | None
    _was: tuple[str, bool] | None = None
    _principal: Any = None
    has_grants: bool | None = None
    """Whether anything was granted to them; None where nobody asked along."""

    @classmethod
    def from_db(cls, db: str | None, field_names: Collection[str], values: Collection[Any], **kwargs: Any) -> User:
        user = super().from_db(db, field_names, values, **kwargs)
        user._was = _door_of(user) if {"password", "is_active"} <= set(field_names) else None
        return user

    def save(self, *args: Any, **kwargs: Any) -> None:
        """A new password, or a disabled account, ends every session and token of the person, whoever changed it."""
        if self._is_another_door():
            self.sessions_ended_at = utc_now()
            if kwargs.get("update_fields") is not None:
                kwargs["update_fields"] = {*kwargs["update_fields"], "sessions_ended_at"}
        super().save(*args, **kwargs)
        self._was = _door_of(self)

    def _is_another_door(self) -> bool:
        if self._was is None or "password" in self.get_deferred_fields():
            return False
        password, is_active = self._was
        if is_active and not self.is_active:
            return True
        # A hash that changes without a password is one that was made anew with a better hasher, at login.
        return password != self.password and (self._password is not None or not is_password_usable(self.password))

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        ended = self.sessions_ended_at.isoformat() if self.sessions_ended_at else ""
        value = f"{self.password}\0{ended}"
        return salted_hmac("apps.accounts.models.User.session", value, secret=secret, algorithm="sha256").hexdigest()


def _door_of(user: User) -> tuple[str, bool]:
    return user.password, user.is_active


class SavedView(models.Model):
    """What was searched and filtered in a list, under a name."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    place = models.CharField(max_length=100, help_text="The list, such as registry.app.")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000)
    is_shared = models.BooleanField("shared", default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "place", "name"],
                name="saved_view_once",
                violation_error_message="You keep a view of that name already.",
            )
        ]
        indexes = [models.Index(fields=["place"], name="saved_view_of_list", condition=Q(is_shared=True))]

    def __str__(self) -> str:
        return self.name


def _exactly_one(*fields: str) -> Q:
    """A condition: one of these columns holds something, the others nothing."""
    condition = Q()
    for chosen in fields:
        condition |= Q(**{f"{name}__isnull": name != chosen for name in fields})
    return condition


class LoginLinkQuerySet(models.QuerySet["LoginLink"]):
    def open(self, now: datetime) -> LoginLinkQuerySet:
        """Links that would still let their user in."""
        return self.filter(used_at__isnull=True, revoked_at__isnull=True, expires_at__gt=now)


class LoginLink(models.Model):
    """A link that signs one person in, once. Only a hash of its token is kept."""

    class Fate(ColouredChoices):
        OPEN = "OPEN", "info", "open"
        USED = "USED", "success", "used"
        REVOKED = "REVOKED", "default", "revoked"
        EXPIRED = "EXPIRED", "default", "expired"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="login_links")
    token_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the token.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = LoginLinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(expires_at__gt=F("created_at")), name="login_link_lasts"),
        ]

    def __str__(self) -> str:
        return f"link for {self.user.get_username()}"

    def fate(self, now: datetime) -> Fate:
        """What became of it."""
        if self.used_at is not None:
            return self.Fate.USED
        if self.revoked_at is not None:
            return self.Fate.REVOKED
        return self.Fate.OPEN if self.expires_at > now else self.Fate.EXPIRED


def _all_scopes() -> list[str]:
    return ["read"]


class Client(AbstractApplication):  # type: ignore[misc]
    """A program that uses the API: for people who let it (authorization code), or for itself (client credentials)."""

    #: Of the library; nobody owns a client here, and grants say what it may do.
    user = None
    is_active = models.BooleanField(
        "active", default=True, help_text="An inactive client gets no token; its tokens stop."
    )
    scopes = models.JSONField(default=_all_scopes, help_text="The most its tokens may do.")
    role = models.CharField(
        max_length=20,
        blank=True,
        choices=ROLE_CHOICES,
        help_text="What it may do for itself everywhere; empty: only what its grants say.",
    )
    sessions_ended_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Tokens from before then let nobody in."
    )

    class Meta:
        ordering = ["name"]
        verbose_name = "API client"
        constraints = [
            models.UniqueConstraint(
                fields=["name"], name="client_once", violation_error_message="There is a client of that name already."
            )
        ]

    def __str__(self) -> str:
        return str(self.name or self.client_id)

    def is_usable(self, request: Any) -> bool:
        """Asked by the OAuth2 library before it issues a token, and before it believes one."""
        del request
        return self.is_active

    def clean(self) -> None:
        """Refuse what RFC 9700 refuses: grants of old, redirects in clear text or with a place to hide something."""
        faults: dict[str, str] = {}
        if self.authorization_grant_type not in (self.GRANT_AUTHORIZATION_CODE, self.GRANT_CLIENT_CREDENTIALS):
            faults["authorization_grant_type"] = gettext("Choose authorization code or client credentials.")
        if self.authorization_grant_type == self.GRANT_CLIENT_CREDENTIALS and self.client_type == self.CLIENT_PUBLIC:
            faults["client_type"] = gettext(
                "A client that acts for itself must be able to keep a secret: choose confidential."
            )
        if self.authorization_grant_type == self.GRANT_AUTHORIZATION_CODE:
            uris = self.redirect_uris.split()
            fault = next(filter(None, map(redirect_fault, uris)), "")
            if not uris or fault:
                faults["redirect_uris"] = fault or gettext("Name the address that people are sent back to, one a line.")
        if not isinstance(self.scopes, list) or not self.scopes or not set(map(str, self.scopes)) <= SCOPES.keys():
            faults["scopes"] = gettext("Choose at least one of %(scopes)s.") % {"scopes": ", ".join(SCOPES)}
        if faults:
            raise ValidationError(faults)


class RoleGrant(models.Model):
    """A role that holds for a part of the registry only: a group, a parent or one app, with everything below it."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    people = models.ForeignKey(
        Group, on_delete=models.CASCADE, null=True, blank=True, related_name="grants", verbose_name="role or group"
    )
    client = models.ForeignKey(
        Client, on_delete=models.CASCADE, null=True, blank=True, related_name="grants", verbose_name="API client"
    )
    role = models.CharField(max_length=20, choices=ROLE_CHOICES)
    app_group = models.ForeignKey(
        "registry.AppGroup", on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    app_parent = models.ForeignKey(
        "registry.AppParent", on_delete=models.CASCADE, null=True, blank=True, related_name="grants"
    )
    app = models.ForeignKey("registry.App", on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    key = models.CharField(max_length=160, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    WHO = ("user", "people", "client")
    WHERE = ("app_group", "app_parent", "app")

    class Meta:
        ordering = ["-id"]
        verbose_name = "grant"
        constraints = [
            models.CheckConstraint(
                condition=_exactly_one("user", "people", "client"),
                name="grant_is_for_one",
                violation_error_message="Choose one of user, group and API client.",
            ),
            models.CheckConstraint(
                condition=_exactly_one("app_group", "app_parent", "app"),
                name="grant_is_somewhere",
                violation_error_message="Choose one of app group, app parent and app.",
            ),
            models.UniqueConstraint(
                fields=["key"], name="grant_once", violation_error_message="There is such a grant already."
            ),
        ]

    def __str__(self) -> str:
        who = self.user or self.people or self.client
        return f"{who}: {self.role} of {self.app_group or self.app_parent or self.app}"

    def clean(self) -> None:
        """Forms do not validate the key, which they do not show."""
        self.key = self._key()
        if RoleGrant.objects.filter(key=self.key).exclude(pk=self.pk).exists():
            raise ValidationError(gettext("There is such a grant already."))

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Keep the key, which the database holds unique: it would take two grants with NULLs for different ones."""
        self.key = self._key()
        super().save(*args, **kwargs)

    def _key(self) -> str:
        return " ".join(str(getattr(self, f"{name}_id") or "-") for name in (*self.WHO, *self.WHERE)) + f" {self.role}"


class Ticket(models.Model):
    """What a program opens one WebSocket with (`tickets.py`). Only its hash is kept, and only until it is used."""

    token_hash = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the ticket.")
    access_token = models.ForeignKey(
        settings.OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL, on_delete=models.CASCADE, related_name="tickets"
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"ticket until {self.expires_at:%H:%M:%S}"


class Lockout(models.Model):
    """Wrong passwords of one name from one address, or of all names from one address (`lockout.py`)."""

    key = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of what is counted.")
    name = models.CharField(max_length=150, blank=True, help_text="The user name.")
    address = models.CharField(max_length=64, blank=True, help_text="An IPv4 address, or an IPv6 network.")
    failures = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField("last attempt")
    locked_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-last_at"]

    def __str__(self) -> str:
        return f"{self.name} from {self.address or 'nowhere'}"


class AuditEntry(models.Model):
    """Something somebody did. It names people and things in words as well, because they may be gone.

    The database itself refuses to change an entry, and to delete one outside of retention (`audit.expire`). So nothing
    of it may depend on a row that goes: the actor is remembered by number and name, without a constraint.
    """

    SHELL = "SHELL"

    at = models.DateTimeField()
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="+",
        db_constraint=False,
    )
    actor_name = models.CharField(
        "by", max_length=150, blank=True, help_text="A user name; from a shell, that of the machine's account."
    )
    client_name = models.CharField("API client", max_length=255, blank=True)
    address = models.GenericIPAddressField(null=True, blank=True, help_text="Where the request came from.")
    source = models.CharField(max_length=16, help_text="Where it came from: admin, shell, API, or the platform itself.")
    action = models.CharField(max_length=60)
    subject = models.CharField(max_length=200)
    object_type = models.CharField(max_length=100, blank=True, help_text="What it was done to, such as registry.app.")
    object_id = models.CharField(max_length=64, blank=True)
    before = models.JSONField(default=dict, blank=True, help_text="What was changed, as it was. Secrets are masked.")
    after = models.JSONField(default=dict, blank=True, help_text="What was changed, as it is. Secrets are masked.")
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "audit entries"
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_newest"),
            models.Index(fields=["object_type", "object_id"], name="audit_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class AuditSweep(models.Model):
    """While retention deletes audit entries, and for no other transaction: those before then may go."""

    before = models.DateTimeField()

    def __str__(self) -> str:
        return f"before {self.before}"
