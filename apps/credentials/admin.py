"""Credentials: which there are, never what they are."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from apps.accounts.granted_admin import ModelAdmin
from apps.core.labels import label
from apps.core.templatetags.facts import ago
from apps.credentials.forms import CredentialForm
from apps.credentials.models import Credential
from apps.registry.admin import AppFilter


@admin.register(Credential)
class CredentialAdmin(ModelAdmin[Credential]):
    """Logins and keys of sources, encrypted."""

    form = CredentialForm
    list_display = ("name", "app", "state", "changed", "description")
    list_filter = (AppFilter,)
    list_select_related = ("app",)
    search_fields = ("name", "app__code", "description")
    autocomplete_fields = ("app",)
    readonly_fields = ("state", "changed")
    fieldsets = (
        (None, {"fields": ("app", "name", "new_value", "description")}),
        (_("How it is"), {"fields": ("state", "changed")}),
    )

    def get_fieldsets(self, request: HttpRequest, obj: Credential | None = None) -> Any:
        # Who may only look has no field to type a value into.
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        return [(title, {"fields": [f for f in part["fields"] if f != "new_value"]}) for title, part in self.fieldsets]

    def get_readonly_fields(self, request: HttpRequest, obj: Credential | None = None) -> tuple[str, ...]:
        # The value is bound to them.
        return (*self.readonly_fields, "app", "name") if obj else self.readonly_fields

    @admin.display(description=_("state"))
    def state(self, credential: Credential) -> str:
        if not credential.pk:
            return "-"
        said = credential.problem()
        return label(_("unusable: %(said)s") % {"said": said}, "danger") if said else label(_("encrypted"), "success")

    @admin.display(description=_("value changed"), ordering="changed_at")
    def changed(self, credential: Credential) -> str:
        return ago(credential.changed_at)
