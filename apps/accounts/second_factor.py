"""The second factor: six digits of an authenticator app (RFC 6238), or one of ten codes on paper (decision 0027)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import datetime

import pyotp
import segno
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from apps.accounts import audit
from apps.accounts.lockout import FIRST_DELAY, LONGEST_DELAY, Locked
from apps.accounts.models import User
from apps.accounts.ways_in import SecondFactor

ISSUER = "Data Collector"
STEP_S = 30
#: Clocks of phones are half a minute off, and people type slowly.
STEPS_OFF = (0, -1, 1)
FREE, RECOVERY_CODES = 5, 10
EVERYBODY = "everybody"


class WrongCode(Exception):
    """It is neither the code of now nor one of those on paper, or was used before."""


def is_required(user: User) -> bool:
    """Whether a role of the person asks for one (`DC_SECOND_FACTOR_ROLES`)."""
    asked = set(settings.DC_SECOND_FACTOR_ROLES)
    if EVERYBODY in asked or ("superuser" in asked and user.is_superuser):
        return True
    return bool(asked) and user.groups.filter(name__in=asked).exists()


def of(user: User) -> SecondFactor | None:
    """The one that counts, if the person has set one up."""
    return SecondFactor.objects.filter(user=user, confirmed_at__isnull=False).first()


def prepare(*, user: User) -> SecondFactor:
    """One to be confirmed; the same until it is, so that a page that is loaded again shows the same picture."""
    factor, _made = SecondFactor.objects.get_or_create(user=user, defaults={"secret": pyotp.random_base32()})
    return factor


def picture(factor: SecondFactor) -> str:
    """What the app photographs, as the address of a picture."""
    uri = pyotp.TOTP(factor.secret).provisioning_uri(name=factor.user.get_username(), issuer_name=ISSUER)
    return segno.make(uri).svg_data_uri(scale=4, border=4, light="#fff")


def confirm(*, user: User, code: str, now: datetime) -> list[str]:
    """Make it count, and return the codes for paper, which are shown once. Raises `WrongCode` and `Locked`."""
    check(user=user, code=code, now=now, is_confirmed=False)
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().get(user=user)
        factor.confirmed_at = now
        codes = _new_codes(factor)
        audit.record("second_factor.set_up", user.get_username(), source=audit.ADMIN, actor=user, obj=user, now=now)
    return codes


def renew_codes(*, user: User, now: datetime) -> list[str]:
    """New codes for paper; those of before let nobody in."""
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().get(user=user)
        codes = _new_codes(factor)
        audit.record("second_factor.codes_made", user.get_username(), source=audit.ADMIN, actor=user, obj=user, now=now)
    return codes


def check(*, user: User, code: str, now: datetime, is_confirmed: bool = True) -> None:
    """Take a code. Raises `WrongCode`, and `Locked` after too many wrong ones, wherever they came from.

    Counted as wrong before it is looked at, as passwords are; a right one forgives the others.
    """
    with transaction.atomic():
        factor = SecondFactor.objects.select_for_update().get(user=user, confirmed_at__isnull=not is_confirmed)
        locked = factor.locked_until if factor.locked_until and factor.locked_until > now else None
        is_right = locked is None and _takes(factor, "".join(code.split()), now)
        if locked is None:
            factor.failures = 0 if is_right else factor.failures + 1
            over = factor.failures - FREE
            factor.locked_until = now + min(FIRST_DELAY * 2 ** min(over, 20), LONGEST_DELAY) if over >= 0 else None
            factor.save(update_fields=["last_step", "recovery_hashes", "failures", "locked_until"])
    if is_right:
        return
    name = user.get_username()
    audit.record("login.failed", name, source=audit.ADMIN, obj=user, now=now, step="second factor", locked=bool(locked))
    if locked is not None:
        raise Locked(locked, now)
    raise WrongCode(_("This is not the code of now, or it was used before. Wait for the next one."))


def remove(*, user: User, actor: User | None, source: str, now: datetime) -> bool:
    """Forget it; the person signs in with the password alone, or sets up another where one is required."""
    with transaction.atomic():
        gone = SecondFactor.objects.filter(user=user).delete()[0] > 0
        if gone:
            audit.record("second_factor.removed", user.get_username(), source=source, actor=actor, obj=user, now=now)
    return gone


def _takes(factor: SecondFactor, code: str, now: datetime) -> bool:
    present = int(now.timestamp()) // STEP_S
    digits = pyotp.TOTP(factor.secret)
    for off in STEPS_OFF:
        step = present + off
        if step > factor.last_step and hmac.compare_digest(digits.at(step * STEP_S).encode(), code.encode()):
            factor.last_step = step
            return True
    hashed = _hash(code.lower().replace("-", ""))
    if hashed in factor.recovery_hashes:
        factor.recovery_hashes = [each for each in factor.recovery_hashes if each != hashed]
        return True
    return False


def _new_codes(factor: SecondFactor) -> list[str]:
    raw = [secrets.token_hex(8) for _number in range(RECOVERY_CODES)]
    factor.recovery_hashes = [_hash(each) for each in raw]
    factor.save(update_fields=["confirmed_at", "recovery_hashes"])
    return ["-".join(each[at : at + 4] for at in range(0, 16, 4)) for each in raw]


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()
