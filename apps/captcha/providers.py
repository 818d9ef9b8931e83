"""From the row of an account to what speaks with its provider."""

from __future__ import annotations

from apps.captcha.models import SolverAccount
from collectors.toolkit.captcha.provider import Provider

TIMEOUT_S = 20.0


def provider_of(account: SolverAccount, *, timeout_s: float = TIMEOUT_S) -> Provider:
    """A provider that is signed in. Raises `EncryptionError` where the key cannot be read."""
    # Here, because pages of accounts need no HTTP client before somebody asks for a balance.
    from collectors.toolkit.captcha.anticaptcha import AntiCaptcha

    match SolverAccount.Kind(account.kind):
        case SolverAccount.Kind.ANTICAPTCHA:
            return AntiCaptcha(
                account.key, url=account.url, name=account.name, poll_s=account.poll_s, timeout_s=timeout_s
            )
