"""Sites for programs."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import page_of
from apps.api.rows import change_row, find_row, row_version
from apps.api.schemas import Answer, Given, Listing, Many, Moment, reply
from apps.api.section import Section
from apps.core.clock import utc_now
from apps.politeness.forms import SiteForm
from apps.politeness.models import Site, moment
from apps.politeness.services import close_circuits
from collectors.toolkit.politeness.pauses import LONGEST_NAME, LONGEST_S

section = Section("politeness")

VIEW, CHANGE = (f"politeness.{verb}_site" for verb in ("view", "change"))
Name = Annotated[str, Field(max_length=LONGEST_NAME, examples=["example.com"])]
Seconds = Annotated[float, Field(ge=0, le=LONGEST_S)]


class SiteOut(Answer):
    """How a site is fetched from."""

    name: str = Field(examples=["example.com"])
    low_s: float | None = Field(description="Set by an operator; null: as the source says.", examples=[None])
    high_s: float | None = Field(examples=[None])
    at_once: int = Field(description="Requests at once; 0: any number.", examples=[0])
    pause_low_s: float = Field(description="Seconds between two requests now, at least.", examples=[1.0])
    pause_high_s: float = Field(examples=[3.0])
    why: str = Field(description="default, source, operator, crawl-delay, 429, 503 or slow.", examples=["default"])
    rest_s: float = Field(description="Seconds that are left of a Retry-After.", examples=[0.0])
    refused_count: int = Field(description="Answers 429 and 503.", examples=[0])
    refused_at: Moment | None
    open_circuits: int = Field(description="Ways to its hosts that are closed to requests.", examples=[0])
    answer_count: int = Field(examples=[1204])
    asked_at: Moment | None


class SiteChange(Given):
    """What is to change; what is not named stays. The pauses are set together, or both taken away with null."""

    low_s: Seconds | None = Field(None, examples=[2.0])
    high_s: Seconds | None = Field(None, examples=[5.0])
    at_once: int = Field(0, ge=0, le=1_000, examples=[2])


class SiteFilter(Many):
    """Which sites."""

    why: str | None = Field(None, max_length=16, examples=["crawl-delay"])


@section.get("/sites", name="listSites", permission=VIEW, answer=Listing[SiteOut])
def list_sites(request: HttpRequest, wanted: Query[SiteFilter]) -> HttpResponse:
    """What is fetched from, by name."""
    rows = visible(request, VIEW, _sites())
    if wanted.why:
        rows = rows.filter(why=wanted.why)
    return reply(page_of(rows, ("name",), wanted, site_out))


@section.get("/sites/{name}", name="getSite", permission=VIEW, answer=SiteOut, has_version=True)
def get_site(request: HttpRequest, name: Path[Name]) -> HttpResponse:
    """One of them."""
    row = _site(request, VIEW, name)
    return reply(site_out(row), ETag=row_version(row))


@section.patch("/sites/{name}", name="changeSite", permission=CHANGE, answer=SiteOut, is_recorded=False)
def change_site(request: HttpRequest, name: Path[Name], new: SiteChange) -> HttpResponse:
    """Set the pause and the requests at once; it holds from the next request on."""
    change_row(request, _site(request, CHANGE, name), SiteForm, new.model_dump(exclude_unset=True))
    row = _site(request, CHANGE, name)
    return reply(site_out(row), ETag=row_version(row))


@section.post(
    "/sites/{name}/close-circuits", name="closeCircuits", permission=CHANGE, answer=SiteOut, is_recorded=False
)
def close(request: HttpRequest, name: Path[Name]) -> HttpResponse:
    """Let requests through to all of its hosts again."""
    close_circuits(_site(request, CHANGE, name), **by(request))
    return reply(site_out(_site(request, CHANGE, name)))


def _sites() -> QuerySet[Site]:
    return Site.objects.annotate(cut_count=Count("ways", filter=Q(ways__is_open=True)))


def _site(request: HttpRequest, permission: str, name: str) -> Site:
    return find_row(request, permission, _sites(), f"site {name}", name=name)


def site_out(row: Any) -> SiteOut:
    """A site as it is shown."""
    return SiteOut.model_construct(
        name=row.name,
        low_s=row.low_s,
        high_s=row.high_s,
        at_once=row.at_once,
        pause_low_s=row.used_low_s + row.penalty_s,
        pause_high_s=row.used_high_s + row.penalty_s,
        why=row.reason.value,
        rest_s=max(0.0, row.rest_until - utc_now().timestamp()),
        refused_count=row.refused_count,
        refused_at=moment(row.refused_time),
        open_circuits=row.cut_count,
        answer_count=row.answer_count,
        asked_at=moment(row.asked_time),
    )
