"""What may be spent, and what is: a price is reserved before anything is bought.

The reservation is one statement that adds only where the sum stays within the limit, first for the app, then for all.
Everybody takes the two rows in that order, so nobody waits in a circle.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import F
from django.utils import timezone

from apps.captcha.models import Budget, Spending
from apps.captcha.money import money, plain
from collectors.toolkit.captcha.errors import OverBudget

#: What a new installation allows.
ALL_APPS, EACH_APP = Decimal(5), Decimal(1)
#: Stands for all apps in `Spending`.
ALL = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent on a day."""

    app: Decimal
    all: Decimal


def today(now: datetime) -> date:
    """The day in the zone of the installation."""
    return timezone.localdate(now)


def installation() -> Budget:
    """The budget of all apps together; made with the defaults where there is none."""
    found = Budget.objects.filter(app__isnull=True).first()
    return found or Budget.objects.get_or_create(app=None, defaults={"per_day": ALL_APPS, "each_app": EACH_APP})[0]


def limits_of(app_id: int | None) -> Limits:
    """What this app may spend."""
    both = installation()
    own = Budget.objects.filter(app_id=app_id).first() if app_id else None
    each = both.each_app if both.each_app is not None else both.per_day
    return Limits(own.per_day if own else each, both.per_day)


def reserve(*, app_id: int | None, app_code: str, price: Decimal, day: date) -> None:
    """Count `price` as spent, within the transaction of the caller. Raises `OverBudget`, and then counts nothing."""
    limits = limits_of(app_id)
    rows = [Spending(app_code=code, day=day) for code in (app_code, ALL)]
    Spending.objects.bulk_create(rows, ignore_conflicts=True)
    for code, limit in ((app_code, limits.app), (ALL, limits.all)):
        room = Spending.objects.filter(app_code=code, day=day, spent__lte=limit - price)
        if not room.update(spent=F("spent") + money(price)):
            raise OverBudget(_sentence(code, limit, price, spent_of(code, day)))


def correct(*, app_code: str, day: date, difference: Decimal) -> None:
    """A purchase cost something else than was reserved; within the transaction of the caller."""
    if difference:
        for code in (app_code, ALL):
            Spending.objects.filter(app_code=code, day=day).update(spent=F("spent") + money(difference))


def spent_of(app_code: str, day: date) -> Decimal:
    """What an app (`ALL`: all of them) has spent on a day, what is reserved included."""
    spent = Spending.objects.filter(app_code=app_code, day=day).values_list("spent", flat=True).first()
    return spent or Decimal(0)


def _sentence(app_code: str, limit: Decimal, price: Decimal, spent: Decimal) -> str:
    whose = f"{app_code} may" if app_code else "All apps together may"
    return (
        f"The budget for captchas is spent: {whose} spend {plain(limit)} dollars a day, {plain(spent)} are spent or "
        f"reserved today, and the next one costs {plain(price)}. Raise the budget under Captchas, Budgets, or enable "
        "the app again tomorrow."
    )
