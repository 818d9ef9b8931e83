"""From the row of an account to what speaks with its provider."""

from __future__ import annotations

from apps.captcha.models import SolverAccount
from collectors.toolkit.captcha.anticaptcha import TIMEOUT_S, AntiCaptcha
from collectors.toolkit.captcha.provider import Provider


def provider_of(account: SolverAccount, *, timeout_s: float = TIMEOUT_S) -> Provider:
    """A provider that is signed in. Raises `EncryptionError` where the key cannot be read."""
    match SolverAccount.Kind(account.kind):
        case SolverAccount.Kind.ANTICAPTCHA:
            return AntiCaptcha(
                account.key, url=account.url, name=account.name, poll_s=account.poll_s, timeout_s=timeout_s
            )
