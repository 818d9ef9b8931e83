"""Who asks: a person in a browser, or a program with a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, Model, OuterRef, Q, QuerySet

from apps.accounts.models import Client, RoleGrant, User

if TYPE_CHECKING:
    Asker = User | AnonymousUser | Client | None


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, a client, or a person by way of a client; `scopes` is None where nothing narrows what they may do."""

    user: User | None = None
    client: Client | None = None
    scopes: frozenset[str] | None = None
    token_id: int | None = None
    """The row of the access token they came with."""
    _kept: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def may(self, permission: str, obj: Model | str | None = None) -> bool:
        """Whether the policy lets them (`apps/accounts/policy.py`)."""
        from apps.accounts.policy import may

        return may(self, permission, obj)

    @property
    def name(self) -> str:
        """For the audit, and for throttles."""
        return self.user.get_username() if self.user else f"client {self.client}" if self.client else "anonymous"

    @property
    def is_active(self) -> bool:
        """Whether anybody is there who may do anything at all."""
        who = self.user or self.client
        return who is not None and who.is_active and (self.client is None or self.client.is_active)

    @property
    def grants(self) -> Sequence[RoleGrant]:
        """What holds for parts of the registry; asked for once, as Django does with permissions."""
        if "grants" not in self._kept:
            self._kept["grants"] = list(_grants_of(self))
        found: list[RoleGrant] = self._kept["grants"]
        return found


def principal_of(asker: Any) -> Principal:
    """The principal that a request's user stands for; one that knows nobody for an anonymous one.

    It is kept on the user, so that a page asks for their grants once.
    """
    if isinstance(asker, Principal):
        return asker
    # request.user is a lazy object around a User; its class is the User's.
    if not isinstance(asker, User):
        return Principal()
    if asker._principal is None:
        asker._principal = Principal(user=asker)
    known: Principal = asker._principal
    return known


def with_grants(people: QuerySet[User]) -> QuerySet[User]:
    """The people, each with `has_grants`: so that nothing is asked for those who have none."""
    grants = RoleGrant.objects.filter(Q(user=OuterRef("pk")) | Q(people__user=OuterRef("pk")))
    annotation: dict[str, Any] = {"has_grants": Exists(grants)}
    return people.annotate(**annotation)


def _grants_of(principal: Principal) -> Sequence[RoleGrant]:
    if principal.user is not None and principal.user.has_grants is False:
        return []
    if principal.user is not None:
        whose = Q(user=principal.user) | Q(people__in=principal.user.groups.all())
    else:
        whose = Q(client=principal.client)
    return list(RoleGrant.objects.filter(whose).select_related("app_group", "app_parent__group", "app"))
