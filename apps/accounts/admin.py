"""People, roles and login links."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import django.contrib.auth.admin as auth_admin
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.accounts import second_factor
from apps.accounts.audit import ADMIN
from apps.accounts.granted_admin import ModelAdmin, ReadOnlyAdmin
from apps.accounts.lockout import unlock
from apps.accounts.models import AuditEntry, Lockout, LoginLink, RoleGrant, User
from apps.accounts.policy import may
from apps.accounts.roles import ROLES
from apps.accounts.services import LIFETIME, UserMayNotSignIn, hand_out_login_link
from apps.accounts.signing_in import end_sessions
from apps.core.clock import utc_now
from apps.core.labels import label
from apps.core.templatetags.facts import ago

if TYPE_CHECKING:
    from django.contrib.auth.admin import GroupAdmin as _GroupAdmin
    from django.contrib.auth.admin import UserAdmin as _UserAdmin

    _Users = _UserAdmin[User]
    _Groups = _GroupAdmin
else:

    class _Users(auth_admin.UserAdmin, ModelAdmin):
        pass

    class _Groups(auth_admin.GroupAdmin, ModelAdmin):
        pass


admin.site.unregister(Group)

#: What only a superuser may grant: with these a person could make themselves one.
POWERS = ("is_superuser", "user_permissions")


def is_superuser(request: HttpRequest) -> bool:
    """A group can hold any permission there is, so only who has all of them may make or change one."""
    return request.user.is_active and bool(getattr(request.user, "is_superuser", False))


@admin.register(User)
class UserAdmin(_Users):
    """People. Who is no superuser can neither become one here nor touch one."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    change_form_template = "accounts/user_change_form.html"
    list_display = ("username", "full_name", "email", "roles", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    ordering = ("username",)
    fieldsets = (
        (None, {"fields": ("username", "password", "ways_in")}),
        (_("Personal info"), {"fields": ("first_name", "last_name", "email", "language")}),
        (_("Permissions"), {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")}),
        (_("Important dates"), {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("username", "usable_password", "password1", "password2")}),
        (_("Role"), {"fields": ("is_staff", "groups")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description=_("name"))
    def full_name(self, user: User) -> str:
        return user.get_full_name() or "-"

    @admin.display(description=_("roles"))
    def roles(self, user: User) -> str:
        names = [(group.name, "info" if group.name in ROLES else "default") for group in user.groups.all()]
        if user.is_superuser:
            names.insert(0, ("superuser", "danger"))
        return format_html_join(" ", "{}", ((label(name, colour),) for name, colour in names)) or "-"

    @admin.display(description=_("signs in with"))
    def ways_in(self, user: User) -> str:
        factor = second_factor.of(user)
        ways = [gettext("password")] if user.has_usable_password() else []
        ways += (
            [gettext("second factor, since %(since)s") % {"since": f"{factor.confirmed_at:%Y-%m-%d}"}] if factor else []
        )
        ways += [f"{identity.issuer} ({identity.subject})" for identity in user.identities.all()]
        return "; ".join(ways) or gettext("login links alone")

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"is_staff": True, **super().get_changeform_initial_data(request)}

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fields = ("last_login", "date_joined", "ways_in")
        return fields if _is_superuser(request) else (*fields, *POWERS)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return _may_touch(request, obj) and super().has_delete_permission(request, obj)

    def get_urls(self) -> list[URLPattern]:
        link = self.admin_site.admin_view(require_POST(never_cache(self.make_login_link)))
        end = self.admin_site.admin_view(require_POST(self.end_sessions))
        reset = self.admin_site.admin_view(require_POST(self.reset_second_factor))
        return [
            path("<int:user_id>/login-link/", link, name="accounts_user_login_link"),
            path("<int:user_id>/end-sessions/", end, name="accounts_user_end_sessions"),
            path("<int:user_id>/reset-second-factor/", reset, name="accounts_user_reset_second_factor"),
            *super().get_urls(),
        ]

    def end_sessions(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Log a person out everywhere; whoever does it to themselves stays here."""
        user = self.get_object(request, str(user_id))
        is_self = request.user.pk == user_id
        if user is None or not (is_self or self.has_change_permission(request, user)):
            raise PermissionDenied
        actor: Any = request.user
        end_sessions(user=user, actor=actor, now=utc_now())
        if is_self:
            update_session_auth_hash(request, user)
        said = (
            gettext("%(name)s is logged out everywhere else.")
            if is_self
            else gettext("%(name)s is logged out everywhere.")
        )
        self.message_user(request, said % {"name": user.username})
        return redirect(reverse("admin:accounts_user_change", args=[user_id]))

    def reset_second_factor(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """For somebody who has lost their phone and their paper; one's own is removed with a code."""
        user = self.get_object(request, str(user_id))
        if user is None or user.pk == request.user.pk or not self.has_change_permission(request, user):
            raise PermissionDenied
        actor: Any = request.user
        gone = second_factor.remove(user=user, actor=actor, source=ADMIN, now=utc_now())
        said = gettext("%(name)s has no second factor any more.") if gone else gettext("%(name)s has no second factor.")
        self.message_user(request, said % {"name": user.username})
        return redirect(reverse("admin:accounts_user_change", args=[user_id]))

    def make_login_link(self, request: HttpRequest, user_id: int) -> HttpResponse:
        """Shows the link once; it is kept nowhere."""
        user = self.get_object(request, str(user_id))
        if user is None or not _may_touch(request, user) or not request.user.has_perm("accounts.add_loginlink"):
            raise PermissionDenied
        try:
            actor: Any = request.user  # a User: admin_view lets nobody else in
            link = hand_out_login_link(user=user, actor=actor, source=ADMIN, now=utc_now())
        except UserMayNotSignIn as error:
            self.message_user(request, str(error), messages.ERROR)
            return redirect(reverse("admin:accounts_user_change", args=[user_id]))
        return TemplateResponse(
            request,
            "accounts/login_link_made.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Login link for %(name)s") % {"name": user.username},
                "person": user,
                "link": request.build_absolute_uri(link),
                "lifetime": LIFETIME,
            },
        )


def _is_superuser(request: HttpRequest) -> bool:
    return bool(request.user.is_active and request.user.is_superuser)


def _may_touch(request: HttpRequest, user: User | None) -> bool:
    return user is None or not user.is_superuser or _is_superuser(request)


@admin.register(Group)
class GroupAdmin(_Groups):
    """Roles. Those of `roles.py` are fixed; further groups are the operators' own."""

    list_display = ("name", "kind")
    search_fields = ("name",)

    @admin.display(description=_("kind"))
    def kind(self, group: Group) -> str:
        return label(_("built in"), "info") if group.name in ROLES else label(_("own"), "default")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return is_superuser(request)

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not (obj and obj.name in ROLES) and is_superuser(request)

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return not (obj and obj.name in ROLES) and is_superuser(request)


@admin.register(LoginLink)
class LoginLinkAdmin(ReadOnlyAdmin[LoginLink]):
    list_display = ("user", "fate", "created_at", "expires_at", "used_at")
    list_select_related = ("user",)
    search_fields = ("user__username",)
    fields = ("user", "created_at", "expires_at", "used_at", "revoked_at")

    def has_delete_permission(self, request: HttpRequest, obj: LoginLink | None = None) -> bool:
        # Deleting a person deletes their links, and asks this page whether it may; a deleted link lets nobody in.
        return bool(request.user.has_perm("accounts.delete_loginlink"))

    @admin.display(description=_("state"))
    def fate(self, link: LoginLink) -> str:
        fate = link.fate(utc_now())
        return label(str(fate.label), fate.colour)


@admin.register(RoleGrant)
class RoleGrantAdmin(ModelAdmin[RoleGrant]):
    """Roles that hold for a part of the registry."""

    list_display = ("who", "role", "where", "created")
    list_filter = ("role",)
    list_select_related = ("user", "people", "client", "app_group", "app_parent__group", "app")
    search_fields = (
        "user__username",
        "people__name",
        "client__name",
        "app_group__name",
        "app_parent__name",
        "app__code",
    )
    autocomplete_fields = ("user", "people", "client", "app_group", "app_parent", "app")
    fieldsets = (
        (_("Who"), {"fields": RoleGrant.WHO, "description": _("Choose one of these.")}),
        (_("May do what"), {"fields": ("role",)}),
        (
            _("Where"),
            {"fields": RoleGrant.WHERE, "description": _("Choose one of these; it holds for everything below.")},
        ),
    )

    @admin.display(description=_("who"))
    def who(self, grant: RoleGrant) -> str:
        return str(grant.user or grant.people or grant.client)

    @admin.display(description=_("where"))
    def where(self, grant: RoleGrant) -> str:
        if grant.app_group is not None:
            return f"{grant.app_group.name}.*"
        return f"{grant.app_parent}.*" if grant.app_parent is not None else str(grant.app)

    @admin.display(description=_("since"), ordering="created_at")
    def created(self, grant: RoleGrant) -> str:
        return ago(grant.created_at)


@admin.register(Lockout)
class LockoutAdmin(ReadOnlyAdmin[Lockout]):
    """Who has to wait before the next password, or is on the way to it."""

    list_display = ("name", "address", "state", "failures", "last_attempt")
    search_fields = ("name", "address")
    fields = ("name", "address", "failures", "last_at", "locked_until")
    actions = ("unlock",)

    @admin.display(description=_("state"), ordering="locked_until")
    def state(self, row: Lockout) -> str:
        if row.locked_until is None or row.locked_until <= utc_now():
            return label(_("open"), "default")
        return label(_("locked, %(when)s") % {"when": ago(row.locked_until)}, "danger")

    @admin.display(description=_("last attempt"), ordering="last_at")
    def last_attempt(self, row: Lockout) -> str:
        return ago(row.last_at)

    def has_unlock_permission(self, request: HttpRequest) -> bool:
        return may(request.user, "accounts.delete_lockout")

    @admin.action(description=_("Unlock"), permissions=["unlock"])
    def unlock(self, request: HttpRequest, rows: QuerySet[Lockout]) -> None:
        actor: Any = request.user  # a User: admin_view lets nobody else in
        count = unlock(rows, actor=actor, source=ADMIN, now=utc_now())
        self.message_user(request, _("%(count)s unlocked.") % {"count": count}, messages.SUCCESS)


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin[AuditEntry]):
    """What people and programs did, newest first."""

    list_display = ("at", "action", "subject", "actor_name", "client_name", "source", "address")
    list_filter = ("source", "action", ("at", admin.DateFieldListFilter))
    list_fullwidth = True
    search_fields = ("subject", "actor_name", "client_name", "address", "object_id")
    fieldsets = (
        (None, {"fields": ("at", "action", "subject", "object_type", "object_id")}),
        (_("By"), {"fields": ("actor_name", "client_name", "source", "address")}),
        (_("What changed"), {"fields": ("changes", "said")}),
    )
    readonly_fields = ("changes", "said")

    @admin.display(description=_("fields"))
    def changes(self, entry: AuditEntry) -> str:
        names = [*entry.before, *(name for name in entry.after if name not in entry.before)]
        if not names:
            return "-"
        return render_to_string(
            "accounts/changes.html",
            {"rows": [(name, _told(entry.before, name), _told(entry.after, name)) for name in names]},
        )

    @admin.display(description=_("details"))
    def said(self, entry: AuditEntry) -> str:
        return "; ".join(f"{name}: {_text(value)}" for name, value in entry.details.items()) or "-"


def _told(values: dict[str, Any], name: str) -> str:
    return _text(values[name]) if name in values else "-"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
