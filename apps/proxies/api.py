"""Proxies for programs: providers, ways out, leases, bans, sites. Passwords and lists do not come out."""

from __future__ import annotations

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.problems import Problem
from apps.api.rows import change_row, create_row, find_row, remove_row, row_version
from apps.api.schemas import Listing, Many, RowNumber, one_of, reply
from apps.api.section import Section
from apps.proxies.api_schemas import (
    BanNew,
    BanOut,
    ExitOut,
    LeaseOut,
    ProviderChange,
    ProviderNew,
    ProviderOut,
    SiteOut,
    out,
)
from apps.proxies.forms import ProviderForm
from apps.proxies.models import Provider, ProxyBan, ProxyExit, ProxyReservation, ProxyTarget, Verdict
from apps.proxies.services import ban_address, lift_bans, release_leases

section = Section("proxies")

VIEW, ADD, CHANGE, DELETE = (f"proxies.{verb}_provider" for verb in ("view", "add", "change", "delete"))
VIEW_EXITS, VIEW_SITES = "proxies.view_proxyexit", "proxies.view_proxytarget"
VIEW_LEASES, RELEASE = "proxies.view_proxyreservation", "proxies.change_proxyreservation"
VIEW_BANS, BAN, LIFT = "proxies.view_proxyban", "proxies.add_proxyban", "proxies.delete_proxyban"
Domain = Annotated[str, Field(max_length=253, examples=["shop.example"])]


class ExitFilter(Many):
    """Which ways out."""

    provider: RowNumber | None = None
    verdict: Annotated[str, one_of(Verdict)] | None = None


class LeaseFilter(Many):
    """Which leases, newest first."""

    domain: Domain | None = None
    run: str | None = Field(None, max_length=32)
    is_held: bool | None = Field(None, description="Only those that somebody holds, or only others.")


class BanFilter(Many):
    """Which bans."""

    domain: Domain | None = None


@section.get("/proxies/providers", name="listProxyProviders", permission=VIEW, answer=Listing[ProviderOut])
def list_providers(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """Who sells ways out, in the order in which they are asked."""
    rows = visible(request, VIEW, Provider.objects.defer("secret"))
    return reply(page_of(rows, ("order", "name"), wanted, provider_out))


@section.post(
    "/proxies/providers",
    name="createProxyProvider",
    permission=ADD,
    answer=ProviderOut,
    status=201,
    is_recorded=False,
    is_repeatable=False,
)
def create_provider(request: HttpRequest, new: ProviderNew) -> HttpResponse:
    """A new provider."""
    row = create_row(request, ProviderForm, new.model_dump())
    return reply(provider_out(row), 201, Location=f"/api/v1/proxies/providers/{row.pk}", ETag=row_version(row))


@section.get(
    "/proxies/providers/{provider_id}", name="getProxyProvider", permission=VIEW, answer=ProviderOut, has_version=True
)
def get_provider(request: HttpRequest, provider_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    row = _provider(request, VIEW, provider_id)
    return reply(provider_out(row), ETag=row_version(row))


@section.patch(
    "/proxies/providers/{provider_id}",
    name="changeProxyProvider",
    permission=CHANGE,
    answer=ProviderOut,
    is_recorded=False,
    is_repeatable=False,
)
def change_provider(request: HttpRequest, provider_id: Path[RowNumber], new: ProviderChange) -> HttpResponse:
    """Change a provider. When its gateway or user changes, the password has to be sent again."""
    values = new.model_dump(exclude_unset=True)
    row = change_row(request, _provider(request, CHANGE, provider_id), ProviderForm, values)
    return reply(provider_out(row), ETag=row_version(row))


@section.delete(
    "/proxies/providers/{provider_id}",
    name="deleteProxyProvider",
    permission=DELETE,
    answer=ProviderOut,
    is_recorded=False,
)
def delete_provider(request: HttpRequest, provider_id: Path[RowNumber]) -> HttpResponse:
    """Delete a provider, its ways out and its leases."""
    row = _provider(request, DELETE, provider_id)
    told = provider_out(row)
    remove_row(request, row)
    return reply(told)


@section.get("/proxies/exits", name="listProxyExits", permission=VIEW_EXITS, answer=Listing[ExitOut])
def list_exits(request: HttpRequest, wanted: Query[ExitFilter]) -> HttpResponse:
    """Ways out, and what the judges said of them last."""
    rows = visible(request, VIEW_EXITS, ProxyExit.objects.all())
    if wanted.provider is not None:
        rows = rows.filter(provider=wanted.provider)
    if wanted.verdict:
        rows = rows.filter(verdict=wanted.verdict)
    return reply(page_of(rows, ("id",), wanted, lambda row: out(ExitOut, row, provider=row.provider_id)))


@section.get("/proxies/leases", name="listProxyLeases", permission=VIEW_LEASES, answer=Listing[LeaseOut])
def list_leases(request: HttpRequest, wanted: Query[LeaseFilter]) -> HttpResponse:
    """Who has which address for which site, or had it last; newest first."""
    rows = visible(request, VIEW_LEASES, ProxyReservation.objects.all())
    if wanted.domain:
        rows = rows.filter(domain=wanted.domain)
    if wanted.run:
        rows = rows.filter(runtime=wanted.run)
    if wanted.is_held is not None:
        rows = rows.filter(released_at__isnull=wanted.is_held)
    return reply(page_of(rows, ("-reserved_at", "-id"), wanted, lease_out))


@section.post(
    "/proxies/leases/{lease_id}/release",
    name="releaseProxyLease",
    permission=RELEASE,
    answer=LeaseOut,
    is_recorded=False,
)
def release_lease(request: HttpRequest, lease_id: Path[RowNumber]) -> HttpResponse:
    """Take the address away from whoever has it."""
    row = find_row(request, RELEASE, ProxyReservation.objects.all(), f"lease {lease_id}", pk=lease_id)
    if not release_leases(ProxyReservation.objects.filter(pk=row.pk), **by(request)):
        raise Problem("conflict", "Nobody has this address for this site any more.")
    row.refresh_from_db()
    return reply(lease_out(row))


@section.get("/proxies/bans", name="listProxyBans", permission=VIEW_BANS, answer=Listing[BanOut])
def list_bans(request: HttpRequest, wanted: Query[BanFilter]) -> HttpResponse:
    """Which site does not want which address; newest first."""
    rows = visible(request, VIEW_BANS, ProxyBan.objects.all())
    if wanted.domain:
        rows = rows.filter(domain=wanted.domain)
    return reply(page_of(rows, ("-last_failed_at", "-id"), wanted, lambda row: out(BanOut, row)))


@section.post("/proxies/bans", name="createProxyBan", permission=BAN, answer=BanOut, status=201, is_recorded=False)
def create_ban(request: HttpRequest, new: BanNew) -> HttpResponse:
    """Ban an address from a site, as a failure would."""
    ban = ban_address(str(new.ip), new.domain, reason=new.reason, **by(request))
    return reply(out(BanOut, ban), 201, Location="/api/v1/proxies/bans")


@section.post("/proxies/bans/{ban_id}/lift", name="liftProxyBan", permission=LIFT, answer=BanOut, is_recorded=False)
def lift_ban(request: HttpRequest, ban_id: Path[RowNumber]) -> HttpResponse:
    """End a ban now."""
    row = find_row(request, LIFT, ProxyBan.objects.all(), f"ban {ban_id}", pk=ban_id)
    if not lift_bans(ProxyBan.objects.filter(pk=row.pk), **by(request)):
        raise Problem("conflict", "This ban is over already.")
    row.refresh_from_db()
    return reply(out(BanOut, row))


@section.get("/proxies/sites", name="listProxySites", permission=VIEW_SITES, answer=Listing[SiteOut])
def list_sites(request: HttpRequest, wanted: Query[Many]) -> HttpResponse:
    """What requests to each site by each provider came to, and what they cost; those used last come first."""
    rows = visible(request, VIEW_SITES, ProxyTarget.objects.select_related("provider").defer("provider__secret"))
    return reply(page_of(rows, ("-last_used_at", "-id"), wanted, site_out))


def _provider(request: HttpRequest, permission: str, pk: int) -> Provider:
    return find_row(request, permission, Provider.objects.all(), f"provider {pk}", pk=pk)


def provider_out(row: Provider) -> ProviderOut:
    """A provider as it is shown."""
    return out(ProviderOut, row)


def lease_out(row: ProxyReservation) -> LeaseOut:
    """A lease as it is shown."""
    return out(LeaseOut, row, provider=row.provider_id, run=row.runtime)


def site_out(row: ProxyTarget) -> SiteOut:
    """A site as it is shown."""
    share = row.succeeded / row.requests if row.requests else None
    return out(SiteOut, row, provider=row.provider_id, provider_name=row.provider.name, success=share)
