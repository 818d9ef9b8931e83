"""The OAuth2 endpoints of django-oauth-toolkit, with our pages, throttles and audit."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, JsonResponse
from oauth2_provider import views

from apps.accounts import audit
from apps.accounts.address import client_address
from apps.accounts.models import Client
from apps.accounts.throttle import wait_for
from apps.core.clock import utc_now
from apps.core.headers import HEADER, page_policy

#: Requests a minute from one address.
TOKENS_A_MINUTE = 120
GRANT_TYPES = ("authorization_code", "client_credentials", "refresh_token")


class AuthorizationView(views.AuthorizationView):  # type: ignore[misc]
    """Asks a person whether a client may act for them: every time, since a public client could be anybody's."""

    template_name = "accounts/authorize.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked = request.GET.copy()
        asked.pop("approval_prompt", None)
        request.GET = asked  # type: ignore[assignment]
        response: HttpResponse = super().get(request, *args, **kwargs)
        if response.status_code == HTTPStatus.OK:
            response[HEADER] = page_policy(forms_lead_to=_site(self.oauth2_data["redirect_uri"]))
        return response

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        client = Client.objects.filter(client_id=form.cleaned_data["client_id"]).first()
        said = "authorized" if form.cleaned_data.get("allow") else "denied"
        actor: Any = self.request.user
        audit.record(
            f"client.{said}",
            str(client),
            source=audit.ADMIN,
            actor=actor,
            obj=client,
            now=utc_now(),
            scope=form.cleaned_data.get("scope", ""),
        )
        return response


class TokenView(views.TokenView):  # type: ignore[misc]
    """Gives out tokens. What was refused is in the audit, with the client if there is one of that name."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        address = client_address(request.META)
        if wait := wait_for("token", address or "", limit=TOKENS_A_MINUTE):
            refused = {"error": "temporarily_unavailable", "error_description": "Too many requests; wait a minute."}
            return JsonResponse(refused, status=HTTPStatus.TOO_MANY_REQUESTS, headers={"Retry-After": str(wait)})
        response: HttpResponse
        if request.POST.get("grant_type") in GRANT_TYPES:
            response = super().post(request, *args, **kwargs)
        else:
            # Not left to the library: for the password grant it looks at the password before it refuses.
            response = JsonResponse({"error": "unsupported_grant_type"}, status=HTTPStatus.BAD_REQUEST)
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            _write_down(request, address)
        return response


def _site(address: str) -> str:
    """What a policy calls the site of an address; it has no word for an IPv6 one."""
    parts = urlsplit(address)
    return f"{parts.scheme}:" if "[" in parts.netloc else f"{parts.scheme}://{parts.netloc}"


def _write_down(request: HttpRequest, address: str | None) -> None:
    name = request.POST.get("client_id", "").replace("\x00", "")
    client = Client.objects.filter(client_id=name).first() if 0 < len(name) <= 255 else None
    audit.record(
        "token.refused",
        str(client or "a client that is not known"),
        source=audit.API,
        client=client,
        address=address,
        obj=client,
        now=utc_now(),
        grant_type=request.POST.get("grant_type", "")[:60].replace("\x00", ""),
    )
