"""What is left on the accounts: asked outside of any transaction, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.accounts.audit import record
from apps.accounts.models import User
from apps.captcha.models import SolverAccount
from apps.captcha.money import rounded
from apps.captcha.providers import provider_of
from apps.core.encryption.keys import EncryptionError
from collectors.toolkit.captcha.provider import Provider
from collectors.toolkit.errors import CaptchaFailed

#: For a person who waits, and for the clock.
SHORT_S, LONG_S = 4.0, 15.0


@dataclass(frozen=True, slots=True)
class Checked:
    """What an account answered."""

    account: SolverAccount
    balance: Decimal | None
    said: str
    """Why there is no balance."""


def check_balances(rows: Iterable[SolverAccount], *, now: datetime, timeout_s: float = SHORT_S) -> list[Checked]:
    """Ask every account what is left and write it down; as long as the slowest takes, `timeout_s` at the most."""
    accounts, providers, found = list(rows), list[Provider | None](), list[Checked]()
    for account in accounts:
        try:
            providers.append(provider_of(account, timeout_s=timeout_s))
        except EncryptionError as error:
            providers.append(None)
            found.append(Checked(account, None, f"Its key cannot be read: {error}"))
    asked = [(account, one) for account, one in zip(accounts, providers, strict=True) if one is not None]
    # Only the network is spoken to in threads: what is written down is written here.
    with ThreadPoolExecutor(max(1, min(16, len(asked)))) as pool:
        found += list(pool.map(_ask, *zip(*asked, strict=True))) if asked else []
    for checked in found:
        _note(checked, now)
    return found


def check_by_hand(rows: Iterable[SolverAccount], *, actor: User | None, source: str, now: datetime) -> list[Checked]:
    """The same, for a person."""
    found = check_balances(rows, now=now)
    for checked in found:
        outcome = checked.said or "asked"
        name = checked.account.name
        record("solveraccount.checked", name, source=source, actor=actor, now=now, obj=checked.account, outcome=outcome)
    return found


def _ask(account: SolverAccount, provider: Provider) -> Checked:
    try:
        return Checked(account, provider.balance(), "")
    except CaptchaFailed as error:
        return Checked(account, None, str(error))
    finally:
        provider.close()


@transaction.atomic
def _note(checked: Checked, now: datetime) -> None:
    row = SolverAccount.objects.select_for_update().filter(pk=checked.account.pk).first()
    if row is None:
        return
    if checked.balance is None:
        SolverAccount.objects.filter(pk=row.pk).update(said=checked.said[:500])
        return
    balance = rounded(checked.balance)
    is_low = balance < row.low_balance or balance <= 0
    SolverAccount.objects.filter(pk=row.pk).update(
        balance=balance,
        balance_at=now,
        low_since=(row.low_since or now) if is_low else None,
        said=row.said if balance <= 0 else "",
        rests_until=row.rests_until if balance <= 0 else None,
    )
