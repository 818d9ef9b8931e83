"""How django-oauth-toolkit is made to do what we want: the hooks that its settings name."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from oauth2_provider.models import get_grant_model, get_refresh_token_model
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauth2_provider.scopes import BaseScopes

from apps.accounts.models import Client
from apps.accounts.scopes import SCOPES
from apps.accounts.signing import make_token
from apps.core.clock import utc_now


def access_token(request: Any, refresh_token: bool = False) -> str:  # noqa: FBT001, FBT002 - the signature of oauthlib
    """The text of a new access token. oauthlib calls it with its own request."""
    del refresh_token
    client: Client = request.client
    user = None if request.grant_type == "client_credentials" else request.user
    return make_token(
        subject=f"user:{user.pk}" if user else f"client:{client.client_id}",
        client_id=client.client_id,
        scopes=frozenset(request.scopes),
        now=utc_now(),
        lifetime=timedelta(seconds=request.expires_in),
    )


def refresh_token(request: Any) -> str:
    """The text of a new refresh token: random, and nothing but a row of ours gives it a meaning."""
    del request
    return secrets.token_urlsafe(32)


class Scopes(BaseScopes):  # type: ignore[misc]
    """The scopes of `apps/accounts/scopes.py`; a client has those it was given."""

    def get_all_scopes(self) -> dict[str, str]:
        return SCOPES

    def get_available_scopes(
        self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any
    ) -> list[str]:
        return [scope for scope in SCOPES if application is None or scope in application.scopes]

    def get_default_scopes(self, application: Any = None, request: Any = None, *args: Any, **kwargs: Any) -> list[str]:
        return []  # who asks for nothing gets nothing: see `validate_scopes`


class Validator(OAuth2Validator):  # type: ignore[misc]
    """The library's rules, and ours: people who left, families that are old, codes that come twice."""

    def validate_scopes(
        self, client_id: str, scopes: Any, client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        return bool(scopes) and super().validate_scopes(client_id, scopes, client, request, *args, **kwargs)

    def _create_refresh_token(self, request: Any, code: str, access_token: Any, previous: Any) -> Any:
        row = super()._create_refresh_token(request, code, access_token, previous)
        if previous is None and request.grant_type == "authorization_code":
            row.token_family = _family_of(request.code)
            row.save(update_fields=["token_family"])
        return row

    def validate_code(self, client_id: str, code: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        if not super().validate_code(client_id, code, client, request, *args, **kwargs):
            # It was used before, perhaps by whoever stole it: what was given for it ends (RFC 6749, 4.1.2).
            model = get_refresh_token_model()
            if model.objects.filter(token_family=_family_of(code), application=client).exists():
                model.revoke_family(_family_of(code))
            return False
        since = get_grant_model().objects.values_list("created", flat=True).get(code=code, application=client)
        return bool(_is_here(request.user, since) and _is_here(client, since))

    def validate_refresh_token(self, refresh_token: str, client: Any, request: Any, *args: Any, **kwargs: Any) -> bool:
        if not super().validate_refresh_token(refresh_token, client, request, *args, **kwargs):
            return False
        row = request.refresh_token_instance
        family = get_refresh_token_model().objects.filter(token_family=row.token_family)
        began = family.order_by("created").values_list("created", flat=True).first()
        oldest = utc_now() - timedelta(seconds=settings.DC_REFRESH_FAMILY_SECONDS)
        if began <= oldest or not _is_here(row.user, row.created) or not _is_here(client, row.created):
            get_refresh_token_model().revoke_family(row.token_family)
            return False
        return True


def _is_here(who: Any, since: Any) -> bool:
    return bool(who.is_active and (who.sessions_ended_at is None or since > who.sessions_ended_at))


def _family_of(code: str) -> uuid.UUID:
    """The family of tokens that began with a code. It is computed, so that a code that comes again leads to it."""
    return uuid.UUID(bytes=hashlib.sha256(f"oauth code\0{code}".encode()).digest()[:16])
