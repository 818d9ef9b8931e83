"""The base of admin pages: what one sees and may do is what the policy says, what was done is in the audit."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts import audit
from apps.accounts.list_admin import ListTools
from apps.accounts.policy import everywhere, is_partial, may, narrow
from apps.core.admin import ModelAdmin as _ModelAdmin
from apps.core.clock import utc_now

_M = TypeVar("_M", bound=Model)


class ModelAdmin(ListTools, _ModelAdmin[_M]):
    """Rows that somebody was granted a part of are shown as far as the grant goes (`apps/accounts/policy.py`)."""

    def permission(self, verb: str) -> str:
        """The permission that a verb of Django's (view, add, change, delete) takes for these rows."""
        return f"{self.opts.app_label}.{verb}_{self.opts.model_name}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[_M]:
        rows = super().get_queryset(request)
        if not is_partial(rows.model) or everywhere(request.user, self.permission("change")):
            return rows
        return narrow(request.user, self.permission("view"), rows)

    def has_view_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return any(may(request.user, self.permission(verb), obj) for verb in ("view", "change"))

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return may(request.user, self.permission("change"), obj)

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return may(request.user, self.permission("delete"), obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def allowed(self, request: HttpRequest, permission: str, rows: QuerySet[_M]) -> QuerySet[_M]:
        """Those of the rows that were chosen for which one has the permission; says so when there are others."""
        if everywhere(request.user, permission):
            return rows
        allowed = narrow(request.user, permission, rows)
        refused = rows.count() - allowed.count()
        if refused:
            self.message_user(
                request, _("%(count)s left out: you may not do this with them.") % {"count": refused}, messages.WARNING
            )
        return allowed

    # -- Audit ---------------------------------------------------------------------------------------------------------

    def construct_change_message(
        self,
        request: HttpRequest,
        form: Any,
        formsets: Any,
        add: bool = False,  # noqa: FBT001, FBT002
    ) -> Any:
        request.audited = (  # type: ignore[attr-defined]
            {} if add else {name: form.initial.get(name) for name in form.changed_data},
            {name: form.cleaned_data.get(name) for name in form.changed_data},
        )
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: _M, message: Any) -> Any:
        self._audit(request, obj, "added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: _M, message: Any) -> Any:
        self._audit(request, obj, "changed", message if isinstance(message, str) else "")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for obj in queryset:
            self._audit(request, obj, "deleted")
        return super().log_deletions(request, queryset)

    def _audit(self, request: HttpRequest, obj: _M, what: str, message: str = "") -> None:
        before, after = getattr(request, "audited", ({}, {}))
        actor: Any = request.user
        said: dict[str, Any] = {"message": message} if message else {}
        audit.record(
            f"{self.opts.model_name}.{what}",
            str(obj),
            source=audit.ADMIN,
            actor=actor,
            now=utc_now(),
            obj=obj,
            before=before,
            after=after,
            **said,
        )


class ReadOnlyAdmin(ModelAdmin[_M]):
    """Pages of rows that the platform writes and people only look at."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: _M | None = None) -> bool:
        return may(request.user, self.permission("view"), obj)
