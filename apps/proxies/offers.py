"""From the row of a provider to the provider itself."""

from __future__ import annotations

from apps.core.encryption.keys import EncryptionError
from apps.proxies.models import Provider
from collectors.toolkit.http.providers import BadProvider, BrightDataProvider, ListProvider, Price, ProxyProvider


def offer_of(row: Provider) -> ProxyProvider:
    """What the row describes. Raises `BadProvider`, whose message shows no secret."""
    price = Price(per_gb=row.price_per_gb, per_request=row.price_per_request)
    try:
        secret = str(row.secret)
    except EncryptionError as error:
        raise BadProvider(f"What was typed in cannot be read. {error}") from None
    if row.kind == Provider.Kind.BRIGHTDATA:
        return BrightDataProvider(
            host=row.host, port=row.port or 0, user=row.user, password=secret, country=row.country, price=price
        )
    return ListProvider.from_text(secret, price=price)
