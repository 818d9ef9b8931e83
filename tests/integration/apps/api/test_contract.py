"""The API against its own description: generated requests, right and wrong, to every operation of the real application.

Schemathesis makes them, the same in each run. It also leaves the token out, or sends a wrong one, and wants a 401.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from apps.accounts.scopes import SCOPES
from apps.api.spec import describe
from config.api import api
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_client, token_of

pytestmark = pytest.mark.django_db(databases="__all__")

#: Most of what one database refuses and another takes is found on PostgreSQL.
EXAMPLES = 8 if "DC_TEST_SERVER_URL" in os.environ else 3


class Site:
    """The application, answering within the transaction of a test: nobody closes its connection behind it."""

    def __init__(self) -> None:
        self.handler: WSGIHandler | None = None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.handler = self.handler or WSGIHandler()
        return self.handler(environ, start_response)

    @contextmanager
    def open(self) -> Iterator[None]:
        """From here on it answers."""
        signals = (request_started, request_finished)
        for signal in signals:
            signal.disconnect(close_old_connections)
        try:
            yield
        finally:
            for signal in signals:
                signal.connect(close_old_connections)


SITE = Site()
#: What no schema can say is refused with these: a cursor of another list, the id of a foreign row, an old version.
REFUSALS = ["2xx", "401", "403", "404", "409", "412", "422", "428"]


def described() -> Any:
    """The description, with the token as the one way in, so that Schemathesis knows which part of a request it is."""
    spec = json.loads(json.dumps(describe(api)))
    for path in spec["paths"].values():
        for operation in path.values():
            operation["security"] = [{"bearer": []}]
    loaded = schemathesis.openapi.from_dict(spec)
    loaded.app = SITE
    loaded.config.checks.positive_data_acceptance.expected_statuses = REFUSALS
    # A missing If-Match is a 428 (RFC 6585), which Schemathesis does not count among the refusals of missing headers.
    loaded.config.checks.missing_required_header.expected_statuses = ["400", "401", "403", "406", "415", "422", "428"]
    return loaded


schema = described()


@pytest.fixture
def token(db: None) -> Iterator[str]:
    """Of a program that may do everything, where there is an app with a run."""
    make_run(make_app(is_enabled=True))
    client, secret = make_client(role="admin", scopes=SCOPES)
    asked = token_of(client, secret, " ".join(SCOPES))
    with SITE.open():
        yield asked


@schema.parametrize()  # type: ignore[untyped-decorator]
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
    phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
)
def test_every_answer_is_one_that_the_description_knows(case: schemathesis.Case[Any], token: str) -> None:
    case.call_and_validate(headers={"Authorization": f"Bearer {token}"})
