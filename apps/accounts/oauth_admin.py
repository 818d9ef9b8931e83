"""API clients, and what they were given. django-oauth-toolkit registers these pages; its settings name them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.accounts.audit import ADMIN
from apps.accounts.clients import end_if_other, replace_secret, revoke_tokens
from apps.accounts.forms import ClientForm
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.accounts.models import Client
from apps.accounts.policy import may
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago

MAY_SEE, MAY_CHANGE = "accounts.view_client", "accounts.change_client"


class ClientAdmin(ModelAdmin[Client]):
    """Programs that use the API. A secret is shown when it is made, and never again."""

    form = ClientForm
    change_form_template = "accounts/client_change_form.html"
    list_display = ("name", "acts", "state", "role", "scope_names", "client_id", "created")
    list_filter = ("is_active", "role")
    search_fields = ("name", "client_id")
    readonly_fields = ("client_id",)
    fieldsets = (
        (None, {"fields": ("name", "client_id", "is_active")}),
        (_("How it gets in"), {"fields": ("authorization_grant_type", "client_type", "redirect_uris")}),
        (_("What it may do"), {"fields": ("scopes", "role")}),
    )

    @admin.display(description=_("acts"), ordering="authorization_grant_type")
    def acts(self, client: Client) -> str:
        is_for_itself = client.authorization_grant_type == client.GRANT_CLIENT_CREDENTIALS
        return gettext("for itself") if is_for_itself else gettext("for people")

    @admin.display(description=_("state"), ordering="is_active")
    def state(self, client: Client) -> str:
        return label(_("active"), "success") if client.is_active else label(_("inactive"), "default")

    @admin.display(description=_("scopes"))
    def scope_names(self, client: Client) -> str:
        return ", ".join(client.scopes) or "-"

    def save_model(self, request: HttpRequest, obj: Client, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's
        request.new_secret = form.secret  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)
        if change:
            end_if_other(client=obj, changed=form.changed_data, now=utc_now())

    def response_add(self, request: HttpRequest, obj: Client, post_url_continue: str | None = None) -> HttpResponse:
        if obj.client_type == obj.CLIENT_PUBLIC:
            return super().response_add(request, obj, post_url_continue)
        return self._show(request, obj, request.new_secret)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        def view(handler: Any) -> Any:
            return self.admin_site.admin_view(require_POST(never_cache(handler)))

        return [
            path("<int:client_pk>/new-secret/", view(self.new_secret_view), name="accounts_client_new_secret"),
            path("<int:client_pk>/end-tokens/", view(self.end_tokens_view), name="accounts_client_end_tokens"),
            *super().get_urls(),
        ]

    def new_secret_view(self, request: HttpRequest, client_pk: int) -> HttpResponse:
        """The old secret stops working at once; tokens that were given for it do too."""
        client = self._client(request, client_pk)
        actor: Any = request.user  # a User: admin_view lets nobody else in
        secret = replace_secret(client=client, actor=actor, source=ADMIN, now=utc_now())
        return self._show(request, client, secret)

    def end_tokens_view(self, request: HttpRequest, client_pk: int) -> HttpResponse:
        client = self._client(request, client_pk)
        actor: Any = request.user
        revoke_tokens(client=client, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(request, _("No token of %(client)s works any more.") % {"client": client}, messages.SUCCESS)
        return redirect(reverse("admin:accounts_client_change", args=[client.pk]))

    def _client(self, request: HttpRequest, pk: int) -> Client:
        client = self.get_object(request, str(pk))
        if client is None or not self.has_change_permission(request, client):
            raise PermissionDenied
        return client

    def _show(self, request: HttpRequest, client: Client, secret: str) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": _("Secret of %(client)s") % {"client": client},
            "client": client,
            "secret": secret,
        }
        response = TemplateResponse(request, "accounts/client_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


class TokenAdmin(ReadOnlyAdmin[Any]):
    """What clients were given: who may see clients sees these, and who may change clients ends them."""

    list_display = ("application", "whose", "issued", "fate")
    list_select_related = ("application", "user")
    search_fields = ("application__name", "user__username")
    fields = ("application", "user", "created", "expires", "scope")
    actions = ("revoke_tokens",)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, MAY_SEE)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return may(request.user, MAY_CHANGE)

    @admin.display(description=_("user"), ordering="user")
    def whose(self, row: Any) -> str:
        return row.user.get_username() if row.user else gettext("itself")

    @admin.display(description=_("issued"), ordering="created")
    def issued(self, row: Any) -> str:
        return ago(row.created)

    @admin.display(description=_("state"))
    def fate(self, row: Any) -> str:
        if getattr(row, "revoked", None):
            return label(_("revoked"), "default")
        return (
            label(_("expired"), "default")
            if hasattr(row, "expires") and row.is_expired()
            else label(_("valid"), "success")
        )

    @admin.action(description=_("Revoke"), permissions=["revoke"])
    def revoke_tokens(self, request: HttpRequest, rows: QuerySet[Any]) -> None:
        count = 0
        for row in rows.select_related("application", "user"):
            self.log_change(request, row, f"Revoked a token of {row.application}.")
            row.revoke()
            count += 1
        self.message_user(
            request, _("%(count)s revoked; they let nobody in any more.") % {"count": count}, messages.SUCCESS
        )


class RefreshTokenAdmin(TokenAdmin):
    fields = ("application", "user", "created", "revoked", "token_family")
    readonly_fields = ("token_family",)


class CodeAdmin(TokenAdmin):
    """Authorization codes that were not redeemed yet; they live a minute. Revoking one deletes it."""

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return False
