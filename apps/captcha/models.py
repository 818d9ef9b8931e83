"""Accounts at solvers of captchas, what was bought from them, and what may be spent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from apps.captcha.money import MoneyField
from apps.core.choices import Choices, ColouredChoices
from apps.core.encryption.fields import EncryptedTextField
from collectors.toolkit.captcha import KINDS
from collectors.toolkit.captcha.codes import URL
from collectors.toolkit.captcha.errors import Problem as _Problem

#: What one captcha costs at the most, as far as providers' price lists go; an account may know better.
PRICES = {
    "image": Decimal("0.001"),
    "recaptcha_v2": Decimal("0.002"),
    "recaptcha_v3": Decimal("0.002"),
    "turnstile": Decimal("0.002"),
}


class Kind(Choices):
    """What kind of captcha."""

    IMAGE = "image", "image"
    RECAPTCHA_V2 = "recaptcha_v2", "reCAPTCHA v2"
    RECAPTCHA_V3 = "recaptcha_v3", "reCAPTCHA v3"
    TURNSTILE = "turnstile", "Turnstile"


class Problem(ColouredChoices):
    """What an error is about."""

    AUTH = _Problem.AUTH.value, "danger", "key"
    BALANCE = _Problem.BALANCE.value, "danger", "balance"
    PROXY = _Problem.PROXY.value, "warning", "proxy"
    TASK = _Problem.TASK.value, "danger", "task"
    SOLVE = _Problem.SOLVE.value, "warning", "not solved"
    RATE_LIMIT = _Problem.RATE_LIMIT.value, "default", "too busy"
    UNKNOWN = _Problem.UNKNOWN.value, "default", "unknown"


def check_prices(prices: Any) -> None:
    """Kind of captcha -> dollars, as text. Raises `ValidationError`."""
    wrong = ValidationError(
        _('Write the price of each kind in dollars, such as {"image": "0.0007"}; kinds are %(kinds)s.')
        % {"kinds": ", ".join(KINDS)}
    )
    if not isinstance(prices, dict) or set(prices) - set(KINDS):
        raise wrong
    for price in prices.values():
        try:
            amount = Decimal(str(price))
        except ArithmeticError:
            raise wrong from None
        if not (amount.is_finite() and 0 <= amount <= 1):
            raise wrong


def check_address(url: str) -> None:
    """The key goes there: by TLS, or no further than this machine. Raises `ValidationError`."""
    try:
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or (
            parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")
        )
    except ValueError:
        is_safe = False
    if not is_safe or not parts.hostname or parts.username or parts.query:
        raise ValidationError(_("Write an address that begins https://; http:// only on this machine."))


class SolverAccount(models.Model):
    """An account at a solver."""

    class Kind(Choices):
        ANTICAPTCHA = "ANTICAPTCHA", "AntiCaptcha, or one that speaks its protocol"

    name = models.CharField(max_length=60, unique=True)
    kind = models.CharField(max_length=20, choices=Kind, default=Kind.ANTICAPTCHA)
    url = models.CharField("address", max_length=200, default=URL, validators=[check_address])
    key = EncryptedTextField(bound_to=["kind", "url"])
    is_active = models.BooleanField("active", default=True)
    order = models.SmallIntegerField(
        default=10, help_text="The smallest is asked first; equals are told apart by price, success and speed."
    )
    prices = models.JSONField(
        "expected prices",
        default=dict,
        blank=True,
        validators=[check_prices],
        help_text='Dollars for each kind, such as {"image": "0.0007"}; so much is reserved. What was paid last counts.',
    )
    notes = models.TextField(blank=True, help_text="Prices, contract, who can fill it up.")
    timeout_s = models.PositiveIntegerField(
        "time limit (seconds)", default=120, validators=[MinValueValidator(1), MaxValueValidator(900)]
    )
    poll_s = models.FloatField(
        "ask every (seconds)", default=5.0, validators=[MinValueValidator(0.01), MaxValueValidator(60)]
    )
    low_balance = MoneyField(default=Decimal(1), help_text="Below this people are told, once.")
    balance = MoneyField(null=True, blank=True, editable=False)
    balance_at = models.DateTimeField(null=True, blank=True, editable=False)
    low_since = models.DateTimeField(null=True, blank=True, editable=False)
    said = models.CharField(max_length=500, blank=True, editable=False, help_text="What it refused last, or why.")
    rests_until = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["order", "name"]

    def __str__(self) -> str:
        return self.name

    def price_of(self, kind: str) -> Decimal:
        """What one of this kind is expected to cost."""
        return Decimal(str(self.prices[kind])) if kind in self.prices else PRICES[kind]


class Solve(models.Model):
    """One purchase: planned before it is made, and what became of it. Written by `apps.captcha.ledger` alone."""

    class State(ColouredChoices):
        PLANNED = "PLANNED", "default", "planned"
        SUBMITTED = "SUBMITTED", "info", "submitted"
        READY = "READY", "success", "ready"
        FAILED = "FAILED", "danger", "failed"
        TIMED_OUT = "TIMED_OUT", "warning", "timed out"
        UNKNOWN = "UNKNOWN", "warning", "spent, outcome unknown"

    OPEN = (State.PLANNED, State.SUBMITTED)

    # What was spent is history: it outlives the app and the account.
    app = models.ForeignKey("registry.App", on_delete=models.SET_NULL, null=True, related_name="solves")
    app_code = models.CharField("app", max_length=122)
    runtime_id = models.CharField("run", max_length=32, blank=True)
    account = models.ForeignKey(SolverAccount, on_delete=models.SET_NULL, null=True, related_name="solves")
    provider = models.CharField("solver", max_length=60)
    kind = models.CharField(max_length=20, choices=Kind)
    page_url = models.CharField("page", max_length=500, blank=True, help_text="Without user, query and fragment.")
    site = models.CharField(max_length=255, blank=True)
    digest = models.CharField(max_length=64, editable=False)
    state = models.CharField(max_length=16, choices=State, default=State.PLANNED)
    task_id = models.CharField("task", max_length=64, blank=True, help_text="What the provider calls it.")
    day = models.DateField(help_text="The day whose budget it counts against.")
    price = MoneyField(help_text="What was reserved.")
    cost = MoneyField(help_text="What counts against the budget: what was reserved, until the provider has said.")
    is_cost_known = models.BooleanField("cost known", default=False, help_text="The provider has said what it cost.")
    is_settled = models.BooleanField("settled", default=False, help_text="Nothing more will be learnt of it.")
    planned_at = models.DateTimeField()
    submitted_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    elapsed_s = models.FloatField("took (seconds)", null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    is_correct = models.BooleanField("correct", null=True, blank=True, help_text="What was reported of it.")
    is_told = models.BooleanField("provider told", null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(max_length=16, choices=Problem, blank=True)
    error_id = models.IntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=80, blank=True)
    said = models.CharField(max_length=500, blank=True)
    holder = models.CharField(max_length=32, editable=False, blank=True)
    held_until = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-planned_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state__in=["READY", "FAILED", "TIMED_OUT", "UNKNOWN"]) | Q(ended_at__isnull=False),
                name="solve_ended_has_an_end",
            )
        ]
        indexes = [
            models.Index(fields=["-planned_at", "-id"], name="solve_newest"),
            models.Index(fields=["day", "app_code"], name="solve_by_day"),
            models.Index(fields=["app", "digest"], condition=Q(state="SUBMITTED"), name="solve_to_take_over"),
            models.Index(fields=["held_until"], condition=Q(is_settled=False), name="solve_to_settle"),
            models.Index(fields=["account", "kind", "-planned_at"], name="solve_of_account"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Budget(models.Model):
    """What may be spent on a day: by one app, or (without one) by all of them together."""

    app = models.OneToOneField(
        "registry.App", on_delete=models.CASCADE, null=True, blank=True, related_name="captcha_budget"
    )
    per_day = MoneyField("dollars a day", help_text="0: nothing may be bought.")
    each_app = MoneyField(
        "each app",
        null=True,
        blank=True,
        help_text="Of the installation alone: what an app may spend that has no budget of its own.",
    )

    class Meta:
        ordering = ["app__code"]
        constraints = [
            models.UniqueConstraint(
                Coalesce("app", models.Value(0), output_field=models.BigIntegerField()),
                name="budget_once",
                violation_error_message="There is a budget for this already.",
            ),
            models.CheckConstraint(
                condition=Q(app__isnull=True, each_app__isnull=False) | Q(app__isnull=False, each_app__isnull=True),
                name="budget_each_app_of_installation",
                violation_error_message="Only the budget of the installation says what each app may spend.",
            ),
        ]

    def __str__(self) -> str:
        return self.app.code if self.app else _("all apps together")


class Spending(models.Model):
    """What was spent, or reserved, on a day: by one app, or by all (no code). The sum of `Solve.cost`."""

    app_code = models.CharField(max_length=122, blank=True)
    day = models.DateField()
    spent = MoneyField(default=Decimal(0))

    class Meta:
        verbose_name_plural = "spending"
        constraints = [models.UniqueConstraint(fields=["app_code", "day"], name="spending_once_a_day")]

    def __str__(self) -> str:
        return f"{self.app_code or '*'} {self.day}"
