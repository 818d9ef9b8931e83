"""Accounts that run dry or are refused, and budgets that are spent."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.policy import everywhere
from apps.captcha.models import SolverAccount
from apps.captcha.selectors import exhausted
from apps.captcha.templatetags.captcha import dollars
from apps.core.attention import SHOWN, Item, Look, Need


def find_needs(look: Look) -> Iterator[Need]:
    """Only for who sees all of them: accounts and budgets belong to everybody."""
    if everywhere(look.asker, "captcha.view_solveraccount"):
        yield from _accounts(look)
    if everywhere(look.asker, "captcha.view_budget"):
        yield from _budgets(look)


def _accounts(look: Look) -> Iterator[Need]:
    poor = Q(low_since__isnull=False) | Q(rests_until__gt=look.now)
    found = list(SolverAccount.objects.filter(poor, is_active=True).order_by("low_since", "name")[: SHOWN + 1])
    step = _("Fill the account up, or mend its key; then check its balance.")
    yield Need(
        name="captcha_accounts",
        title=_("Solvers of captchas that run dry"),
        colour="warning",
        icon="account_balance_wallet",
        step=step,
        items=[
            Item(
                subject=account.name,
                url=reverse("admin:captcha_solveraccount_change", args=[account.pk]),
                said=account.said or _("%(left)s are left.") % {"left": dollars(account.balance)},
                at=account.low_since,
                is_new=look.is_new(account.low_since),
            )
            for account in found[:SHOWN]
        ],
        count=len(found),
        url=reverse("admin:captcha_solveraccount_changelist"),
    )


def _budgets(look: Look) -> Iterator[Need]:
    found = exhausted(now=look.now)
    step = _("Raise the budget, then enable the apps that were disabled; or enable them tomorrow.")
    yield Need(
        name="captcha_budgets",
        title=_("Budgets for captchas that are spent"),
        colour="warning",
        icon="savings",
        step=step,
        items=[
            Item(
                subject=str(budget),
                url=reverse("admin:captcha_budget_change", args=[budget.pk]),
                said=_("%(spent)s of %(limit)s are spent or reserved today.")
                % {"spent": dollars(used), "limit": dollars(budget.per_day)},
            )
            for budget, used in found[:SHOWN]
        ],
        count=len(found),
        url=reverse("admin:captcha_budget_changelist"),
    )
