"""What goes in and comes out of the operations on proxies."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

from django.db.models import Model
from pydantic import BeforeValidator, Field, IPvAnyAddress

from apps.api.schemas import Answer, Given, Moment, one_of
from apps.proxies.models import Provider, ProxyReservation, Verdict

_A = TypeVar("_A", bound=Answer)


def _as_written(value: object) -> object:
    """pydantic takes numbers, and even `false`, for addresses."""
    if not isinstance(value, str):
        raise ValueError("An address is written as text.")  # noqa: TRY004 - what pydantic makes an answer of
    return value


Address = Annotated[IPvAnyAddress, BeforeValidator(_as_written), Field(examples=["198.51.100.7"])]
Country = Annotated[str, Field(pattern=r"^([a-z]{2})?$", examples=["de"])]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=8, examples=["8.4"])]


def out(kind: type[_A], row: Model, **values: Any) -> _A:
    """A row as it is shown: its fields of the same names, and these."""
    names = set(kind.model_fields) - values.keys()
    shown: Any = kind.model_construct(**{name: getattr(row, name) for name in names}, **values)
    return shown  # type: ignore[no-any-return]


class ProviderOut(Answer):
    """Who sells ways out, without what lets one in there."""

    id: int = Field(examples=[3])
    name: str = Field(examples=["Residential"])
    kind: Annotated[str, one_of(Provider.Kind)]
    order: int = Field(description="Small numbers are asked first.", examples=[10])
    is_active: bool = Field(examples=[True])
    country: str = Field(description="Where its addresses are; empty: anywhere.", examples=["de"])
    host: str = Field(examples=["gateway.example"])
    port: int | None = Field(examples=[33335])
    user: str
    cooldown_s: int = Field(description="So long an address rests for a site after it was used.", examples=[300])
    price_per_gb: Decimal = Field(examples=["8.4"])
    price_per_request: Decimal = Field(examples=["0"])


class _Details(Given):
    order: int = Field(10, ge=0, le=32_767)
    is_active: bool = True
    country: Country = ""
    host: str = Field("", max_length=255, description="Of a gateway.")
    port: Annotated[int, Field(ge=1, le=65_535)] | None = Field(None, examples=[None])
    user: str = Field("", max_length=255, description="Of a gateway.")
    secret: str = Field(
        "",
        max_length=1_000_000,
        description="The password of a gateway, or a list of proxies, one a line. It never comes out.",
        examples=["http://user:password@proxy.example:3128"],
    )
    cooldown_s: int = Field(300, ge=0, le=86_400)
    price_per_gb: Price = Decimal(0)
    price_per_request: Price = Decimal(0)


class ProviderNew(_Details):
    """Somebody who sells ways out."""

    name: str = Field(min_length=1, max_length=60, examples=["Our own"])
    kind: Annotated[str, one_of(Provider.Kind)] = Field(examples=["LIST"])


class ProviderChange(_Details):
    """What is to change; what is not named stays."""

    name: str = Field("", min_length=1, max_length=60, examples=["Our own"])
    kind: Annotated[str, one_of(Provider.Kind)] = Provider.Kind.LIST


class ExitOut(Answer):
    """A way out, and what the judges said of it last."""

    id: int = Field(examples=[7])
    provider: int = Field(examples=[3])
    label: str = Field(examples=["proxy.example:3128"])
    address: str = Field(description="What sites see.", examples=["198.51.100.7"])
    verdict: Annotated[str, one_of(Verdict)]
    said: str
    judged_at: Moment | None
    failures: int = Field(description="In a row.", examples=[0])


class LeaseOut(Answer):
    """Who has an address for a site, or had it last."""

    id: int = Field(examples=[12])
    ip: str = Field(examples=["198.51.100.7"])
    domain: str = Field(examples=["shop.example"])
    provider: int = Field(examples=[3])
    app: str = Field(examples=["examples.shop.books"])
    run: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    fence: int = Field(description="Grows each time the address changes hands for this site.", examples=[17])
    reserved_at: Moment
    renewed_at: Moment
    held_until: Moment = Field(description="Unless it is renewed.")
    free_at: Moment = Field(description="From then on somebody else may have it.")
    released_at: Moment | None = Field(examples=[None])
    ended_as: str = Field(description="Empty while it is held; else one of " + ", ".join(ProxyReservation.End.values))


class BanOut(Answer):
    """A site does not want an address."""

    id: int = Field(examples=[5])
    ip: str = Field(examples=["198.51.100.7"])
    domain: str = Field(examples=["shop.example"])
    level: int = Field(description="1: five minutes ... 5: a day, 6: thirty days.", examples=[2])
    failures: int = Field(examples=[4])
    reason: str
    first_failed_at: Moment
    last_failed_at: Moment
    until: Moment = Field(description="It holds until then; past: it is over.")


class BanNew(Given):
    """An address that is to be banned from a site."""

    ip: Address
    domain: str = Field(min_length=1, max_length=253, pattern=r"^[a-z0-9.:-]+$", examples=["shop.example"])
    reason: str = Field("by hand", max_length=300)


class SiteOut(Answer):
    """What requests to a site by a provider came to."""

    id: int = Field(examples=[5])
    domain: str = Field(examples=["shop.example"])
    provider: int = Field(examples=[3])
    provider_name: str = Field(examples=["Residential"])
    requests: int = Field(examples=[1200])
    success: float | None = Field(description="Share that succeeded, 0 to 1.", examples=[0.97])
    recent: float = Field(description="The same, in which the newest fifty count most.", examples=[0.95])
    rotated: int = Field(description="After which another address was taken.", examples=[31])
    bytes_sent: int = Field(examples=[480_000])
    bytes_received: int = Field(examples=[61_000_000])
    cost: Decimal = Field(description="In the currency of the prices.", examples=["0.5164"])
    last_error: str
    last_used_at: Moment
