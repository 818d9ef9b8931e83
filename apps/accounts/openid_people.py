"""Who somebody is here whom an OpenID provider vouches for, and what they may do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.models import Identity, User
from apps.accounts.roles import ROLES, seed_roles


class NotLetIn(Exception):
    """The provider knows them, and this platform does not let them in; the message is for them."""


@transaction.atomic
def person_of(claims: Mapping[str, Any], *, now: datetime) -> User:
    """The person, made or linked where the settings allow it, with the roles that the claims say.

    Raises `NotLetIn`. Known is who came before: the issuer and the subject, which never change.
    """
    wanted = settings.DC_OIDC
    issuer, subject = str(wanted.issuer), str(claims["sub"])
    roles = _roles(claims.get(wanted.roles_claim), wanted.roles)
    if wanted.roles and not roles:
        raise NotLetIn(_("None of your groups has a role here. An administrator can tell which one you need."))
    known = Identity.objects.filter(issuer=issuer, subject=subject).select_related("user").first()
    user = known.user if known is not None else _newcomer(str(claims.get(wanted.name_claim) or ""), claims, now)
    if not user.is_active or not user.is_staff:
        raise NotLetIn(_("Your account here is switched off."))
    if known is None:
        Identity.objects.create(user=user, issuer=issuer, subject=subject, created_at=now)
        audit.record(
            "user.identified", user.get_username(), source=audit.ADMIN, actor=user, obj=user, now=now, issuer=issuer
        )
    if wanted.roles:
        _give(user, roles, now)
    return user


def _roles(groups: Any, table: Mapping[str, str]) -> set[str]:
    names = [groups] if isinstance(groups, str) else groups if isinstance(groups, list) else []
    return {table[str(name)] for name in names if str(name) in table}


def _newcomer(name: str, claims: Mapping[str, Any], now: datetime) -> User:
    there = User.objects.filter(username=name).first() if name else None
    if there is not None:
        # A superuser is not taken over by whoever can choose a name at the provider.
        if not settings.DC_OIDC.link_users or there.is_superuser:
            raise NotLetIn(_("There is an account of your name here that was not made for you by this provider."))
        return there
    if not settings.DC_OIDC.create_users:
        raise NotLetIn(_("You have no account here. An administrator can make one."))
    user = User(username=name, is_staff=True, password=make_password(None))
    user.email, user.first_name, user.last_name = (
        str(claims.get(claim) or "")[:150] for claim in ("email", "given_name", "family_name")
    )
    try:
        user.full_clean()
    except ValidationError:
        raise NotLetIn(_("The provider sends no name that an account here could have.")) from None
    user.save()
    audit.record("user.created", name, source=audit.PLATFORM, actor=user, obj=user, now=now, by="OpenID provider")
    return user


def _give(user: User, roles: set[str], now: datetime) -> None:
    """The roles of the platform are those of the provider; groups of the operators' own are left alone."""
    had = set(user.groups.filter(name__in=ROLES).values_list("name", flat=True))
    if had == roles:
        return
    seed_roles()
    user.groups.remove(*Group.objects.filter(name__in=had - roles))
    user.groups.add(*Group.objects.filter(name__in=roles))
    audit.record(
        "user.roles_changed",
        user.get_username(),
        source=audit.PLATFORM,
        actor=user,
        obj=user,
        now=now,
        before={"roles": sorted(had)},
        after={"roles": sorted(roles)},
    )
