"""Accounts with what is left on them, what was bought, what may be spent."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.accounts.policy import may
from apps.captcha.balances import check_by_hand
from apps.captcha.budget import today
from apps.captcha.forms import BudgetForm, SolverAccountForm
from apps.captcha.models import Budget, Problem, Solve, SolverAccount
from apps.captcha.selectors import report_of, sites_of, with_spending
from apps.captcha.templatetags.captcha import dollars
from apps.core.admin import coloured
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, legible, span
from apps.registry.admin import AppFilter


@admin.register(SolverAccount)
class SolverAccountAdmin(ModelAdmin[SolverAccount]):
    """Who solves captchas, and what is left."""

    form = SolverAccountForm
    list_display = ("name", "kind", "active", "order", "left", "balance_seen", "result")
    list_filter = ("kind", "is_active")
    search_fields = ("name", "notes")
    actions = ("check_balances",)
    readonly_fields = ("left", "balance_seen", "result")
    fieldsets = (
        (None, {"fields": ("name", "kind", "url", "key", "is_active", "order")}),
        (_("Price and time"), {"fields": ("prices", "notes", "timeout_s", "poll_s")}),
        (_("Balance"), {"fields": ("low_balance", "left", "balance_seen", "result")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: SolverAccount | None = None) -> Any:
        # Who may only look gets the values of fields as text, that of the key too.
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [(title, {"fields": [f for f in part["fields"] if f != "key"]}) for title, part in self.fieldsets]

    def has_check_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "captcha.change_solveraccount")

    @admin.display(description=_("active"), ordering="is_active")
    def active(self, account: SolverAccount) -> str:
        return label(_("active"), "success") if account.is_active else label(_("not asked"), "default")

    @admin.display(description=_("balance"), ordering="balance")
    def left(self, account: SolverAccount) -> str:
        if account.balance is None:
            return gettext("never asked")
        return label(dollars(account.balance), "danger") if account.low_since else dollars(account.balance)

    @admin.display(description=_("as of"), ordering="balance_at")
    def balance_seen(self, account: SolverAccount) -> str:
        return ago(account.balance_at)

    @admin.display(description=_("last problem"))
    def result(self, account: SolverAccount) -> str:
        if not account.said:
            return "-"
        said = legible(account.said)
        return format_html('<span class="dc-cause" title="{}">{}</span>', said, said[:200])

    @admin.action(description=_("Check balance"), permissions=["check"])
    def check_balances(self, request: HttpRequest, accounts: QuerySet[SolverAccount]) -> None:
        actor: Any = request.user
        for checked in check_by_hand(accounts[:20], actor=actor, source=ADMIN, now=utc_now()):
            about = {"name": checked.account.name, "left": dollars(checked.balance), "said": checked.said}
            if checked.balance is None:
                self.message_user(request, _("%(name)s: %(said)s") % about, messages.ERROR)
            else:
                self.message_user(request, _("%(name)s: %(left)s are left.") % about, messages.SUCCESS)


class RunFilter(admin.SimpleListFilter):
    """By the run that a link names."""

    title = _("run")
    parameter_name = "runtime_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name)
        return [(chosen, chosen[:8])] if chosen else []

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(runtime_id=self.value()) if self.value() else queryset


@admin.register(Solve)
class SolveAdmin(ReadOnlyAdmin[Solve]):
    """What was bought."""

    change_list_template = "captcha/solve_change_list.html"
    list_display = ("planned", "state_label", "kind", "site", "app_code", "provider", "price_paid", "took", "verdict")
    list_display_links = ("planned",)
    list_filter = ("state", "kind", "problem", AppFilter, "account", RunFilter, ("day", admin.DateFieldListFilter))
    list_select_related = ()
    list_fullwidth = True
    search_fields = ("=task_id", "site__istartswith", "=error_code", "=runtime_id")
    readonly_fields = ("state_label", "price_paid", "price_reserved", "took", "verdict", "problem_label")
    fields = (
        *("state_label", "kind", "page_url", "app_code", "runtime_id", "provider", "task_id"),
        *("price_reserved", "price_paid", "is_cost_known", "is_settled", "day"),
        *("planned_at", "submitted_at", "ended_at", "took", "expires_at"),
        *("verdict", "is_told", "reported_at", "problem_label", "error_id", "error_code", "said"),
    )

    state_label = coloured("state", Solve.State, _("state"))

    @admin.display(description=_("when"), ordering="planned_at")
    def planned(self, solve: Solve) -> str:
        return ago(solve.planned_at)

    @admin.display(description=_("cost"), ordering="cost")
    def price_paid(self, solve: Solve) -> str:
        return dollars(solve.cost) if solve.is_cost_known else f"≤ {dollars(solve.cost)}"

    @admin.display(description=_("reserved"))
    def price_reserved(self, solve: Solve) -> str:
        return dollars(solve.price)

    @admin.display(description=_("took"), ordering="elapsed_s")
    def took(self, solve: Solve) -> str:
        return span(solve.elapsed_s)

    @admin.display(description=_("correct"), ordering="is_correct")
    def verdict(self, solve: Solve) -> str:
        if solve.is_correct is None:
            return "-"
        return label(_("correct"), "success") if solve.is_correct else label(_("wrong"), "danger")

    @admin.display(description=_("problem"))
    def problem_label(self, solve: Solve) -> str:
        if not solve.problem:
            return "-"
        problem = Problem(solve.problem)
        return label(str(problem.label), problem.colour)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now, rows = utc_now(), self.get_queryset(request)
        about = {"report": report_of(today(now), rows), "sites": sites_of(rows, now=now)}
        return super().changelist_view(request, {**about, **(extra_context or {})})


@admin.register(Budget)
class BudgetAdmin(ModelAdmin[Budget]):
    """What may be spent on a day."""

    form = BudgetForm
    list_display = ("whose", "limit", "for_each", "spent")
    list_select_related = ("app",)
    search_fields = ("app__code",)
    autocomplete_fields = ("app",)

    def get_readonly_fields(self, request: HttpRequest, obj: Budget | None = None) -> tuple[str, ...]:
        return ("app",) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Budget | None = None) -> bool:
        # Without that of the installation there would be a new one, with the defaults.
        return super().has_delete_permission(request, obj) and (obj is None or obj.app_id is not None)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        return with_spending(super().get_queryset(request), now=utc_now())

    @admin.display(description=_("for"), ordering="app__code")
    def whose(self, budget: Budget) -> str:
        return str(budget)

    @admin.display(description=_("a day"), ordering="per_day")
    def limit(self, budget: Budget) -> str:
        return dollars(budget.per_day)

    @admin.display(description=_("each app"), ordering="each_app")
    def for_each(self, budget: Budget) -> str:
        return dollars(budget.each_app)

    @admin.display(description=_("spent today"))
    def spent(self, budget: Budget) -> str:
        return dollars(budget.spent_today or Decimal(0))  # type: ignore[attr-defined]  # annotated
