"""Connections with a test button."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.accounts.policy import narrow
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago, legible
from apps.databases import loading
from apps.databases.connectors import CONNECTORS
from apps.databases.forms import ConnectionForm
from apps.databases.models import AppDbObject, Connection
from apps.databases.objects import uses
from apps.databases.probe import request_test


@admin.register(Connection)
class ConnectionAdmin(ModelAdmin[Connection]):
    """Further databases."""

    form = ConnectionForm
    change_form_template = "databases/connection_change_form.html"
    list_display = ("alias", "engine_title", "place", "enabled", "result", "tested")
    list_filter = ("engine", "is_enabled", "test_outcome")
    search_fields = ("alias", "host", "name")
    readonly_fields = ("result", "tested")
    fieldsets = (
        (None, {"fields": ("alias", "engine", "host", "port", "name", "is_enabled")}),
        (_("Signing in"), {"fields": ("auth", "user", "password")}),
        (_("Line"), {"fields": ("tls", "ca_file", "is_read_only", "options")}),
        (_("Last test"), {"fields": ("result", "tested")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        # Who may only look gets the values of fields as text, that of the password too.
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [(title, {"fields": [f for f in part["fields"] if f != "password"]}) for title, part in self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Connection | None = None) -> Any:
        # Models and the encryption of the password go by the alias.
        return self.readonly_fields if obj is None else ("alias", *self.readonly_fields)

    def save_model(self, request: HttpRequest, obj: Connection, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        super().save_model(request, obj, form, change)
        loading.forget(obj.alias)

    @admin.display(description=_("engine"), ordering="engine")
    def engine_title(self, row: Connection) -> str:
        return (
            CONNECTORS[row.engine].title
            if row.engine in CONNECTORS
            else _("%(engine)s (not known here)") % {"engine": row.engine}
        )

    @admin.display(description=_("database"))
    def place(self, row: Connection) -> str:
        where = f"{row.host}:{row.port}" if row.port else row.host
        return f"{where}/{row.name}" if where else row.name

    @admin.display(description=_("enabled"), ordering="is_enabled")
    def enabled(self, row: Connection) -> str:
        return label(_("enabled"), "success") if row.is_enabled else label(_("disabled"), "default")

    @admin.display(description=_("last test"))
    def result(self, row: Connection) -> str:
        if row.test_requested_at:
            return format_html(gettext("{} waits for a manager"), label(_("asked for"), "info"))
        if not row.test_outcome:
            return gettext("never tested")
        outcome, said = Connection.Outcome(row.test_outcome), legible(row.test_said)
        return format_html(
            '{} <span class="dc-cause" title="{}">{}</span>', label(outcome.label, outcome.colour), said, said
        )

    @admin.display(description=_("tested"), ordering="tested_at")
    def tested(self, row: Connection) -> str:
        return ago(row.tested_at)

    def get_urls(self) -> list[URLPattern]:
        test = self.admin_site.admin_view(require_POST(self.test_view))
        return [path("<int:connection_id>/test/", test, name="databases_connection_test"), *super().get_urls()]

    def test_view(self, request: HttpRequest, connection_id: int) -> HttpResponse:
        """Ask for a test: connecting may take longer than a request should."""
        row = self.get_object(request, str(connection_id))
        if not self.has_change_permission(request, row):
            raise PermissionDenied
        if row is None:
            raise Http404(_("There is no such connection."))
        actor: Any = request.user  # a User: admin_view lets nobody else in
        request_test(row, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(
            request, _("%(alias)s is being tested; the result appears below.") % {"alias": row.alias}, messages.INFO
        )
        return redirect(reverse("admin:databases_connection_change", args=[row.pk]))


@admin.register(AppDbObject)
class AppDbObjectAdmin(ReadOnlyAdmin[AppDbObject]):
    """Who touches which table: the objects of an app, and the apps of an object."""

    list_display = ("name", "kind", "connection", "of_app", "used", "last_use")
    list_filter = ("connection", "kind")
    list_select_related = ("app",)
    search_fields = ("name", "app__code")
    search_help_text = _("A name of a table, view or routine, or the code of an app")
    fields = (
        *("name", "kind", "connection", "of_app", "select_at", "insert_at", "update_at", "delete_at", "call_at"),
        *("of_run", "also"),
    )
    readonly_fields = ("of_app", "of_run", "also")

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> AppDbObject | None:
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            row.seen_by = request.user
        return row

    @admin.display(description=_("app"), ordering="app__code")
    def of_app(self, row: AppDbObject) -> str:
        address = reverse("admin:registry_app_change", args=[row.app_id])
        return format_html('<a class="dc-link" href="{}">{}</a>', address, row.app.code)

    @admin.display(description=_("what it does"))
    def used(self, row: AppDbObject) -> str:
        return ", ".join(uses(row))

    @admin.display(description=_("last used"))
    def last_use(self, row: AppDbObject) -> str:
        moments = [row.select_at, row.insert_at, row.update_at, row.delete_at, row.call_at]
        return ago(max(moment for moment in moments if moment))

    @admin.display(description=_("last run"))
    def of_run(self, row: AppDbObject) -> str:
        address = reverse("admin:runtime_runtime_change", args=[row.last_run])
        return format_html('<a class="dc-link" href="{}">{}</a>', address, row.last_run[:8])

    @admin.display(description=_("also used by"))
    def also(self, row: AppDbObject) -> str:
        seen = narrow(row.seen_by, "databases.view_appdbobject", AppDbObject.objects.all())
        others = seen.filter(connection=row.connection, name=row.name).exclude(pk=row.pk)
        lines = [
            (reverse("admin:databases_appdbobject_change", args=[other.pk]), other.app.code, ", ".join(uses(other)))
            for other in others.select_related("app").order_by("app__code")[:200]
        ]
        return (
            format_html_join("", '<div><a class="dc-link" href="{}">{}</a> {}</div>', lines)
            if lines
            else gettext("nobody")
        )
