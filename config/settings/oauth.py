"""OAuth2 as RFC 9700 has it: the settings of django-oauth-toolkit, whose defaults are those of 2013."""

from __future__ import annotations

from typing import Any

#: However often a refresh token is renewed, after this the person is asked again.
REFRESH_FAMILY_SECONDS = 30 * 86_400

OAUTH2: dict[str, Any] = {
    "OAUTH2_VALIDATOR_CLASS": "apps.accounts.oauth.Validator",
    "SCOPES_BACKEND_CLASS": "apps.accounts.oauth.Scopes",
    "ACCESS_TOKEN_GENERATOR": "apps.accounts.oauth.access_token",
    "REFRESH_TOKEN_GENERATOR": "apps.accounts.oauth.refresh_token",
    "APPLICATION_ADMIN_CLASS": "apps.accounts.oauth_admin.ClientAdmin",
    "ACCESS_TOKEN_ADMIN_CLASS": "apps.accounts.oauth_admin.TokenAdmin",
    "REFRESH_TOKEN_ADMIN_CLASS": "apps.accounts.oauth_admin.RefreshTokenAdmin",
    "GRANT_ADMIN_CLASS": "apps.accounts.oauth_admin.CodeAdmin",
    "ID_TOKEN_ADMIN_CLASS": "apps.accounts.oauth_admin.CodeAdmin",
    "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 86_400,
    "REFRESH_TOKEN_GRACE_PERIOD_SECONDS": 0,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ROTATE_REFRESH_TOKEN": True,
    "PKCE_REQUIRED": True,
    "ALLOW_URI_WILDCARDS": False,
    "ALLOWED_REDIRECT_URI_SCHEMES": ["https"],
    "REQUEST_APPROVAL_PROMPT": "force",
    "DCR_ENABLED": False,
    "CIMD_ENABLED": False,
    "OIDC_ENABLED": False,
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "client_credentials", "refresh_token"],
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    **{
        f"COMPLIANT_BCP_RFC9700_{name}": True
        for name in (
            "IMPLICIT_GRANT",
            "PASSWORD_GRANT",
            "PKCE_METHOD",
            "ACCESS_TOKEN_TRANSPORT",
            "AUTHZ_RESPONSE_ISS",
            "TOKEN_STORAGE",
            "REFRESH_TOKEN",
            "REDIRECT_URI_MATCHING",
            "PKCE_REQUIRED",
        )
    },
}
