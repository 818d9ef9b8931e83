"""`context.secrets`, as a source sees it."""

from __future__ import annotations

import pytest

from collectors.contract import Context
from collectors.toolkit.errors import Blocker, MissingSecret
from collectors.toolkit.journal import Redactor
from collectors.toolkit.testing import make_context


def test_a_source_reads_its_secrets_by_name() -> None:
    secrets = make_context(secrets={"token": "canary-value"}, app="a.b.c").secrets
    assert secrets["token"] == "canary-value"
    assert secrets.get("token") == "canary-value"
    assert secrets.get("user") is None
    assert secrets.get("user", "guest") == "guest"
    assert list(secrets) == ["token"]
    assert ("token" in secrets, "user" in secrets) == (True, False)


def test_a_missing_one_is_a_blocker_that_names_it() -> None:
    with pytest.raises(MissingSecret, match=r'a\.b\.c has no credential "token"') as caught:
        make_context(app="a.b.c").secrets["token"]
    assert isinstance(caught.value, Blocker)


def test_neither_it_nor_its_context_prints_a_value() -> None:
    context: Context = make_context(secrets={"token": "canary-value"})
    for text in (repr(context), str(context.secrets), f"{context.secrets!r}"):
        assert "canary-value" not in text
    assert "token" in repr(context.secrets)


def test_its_values_are_masked_in_what_the_process_says() -> None:
    make_context(secrets={"token": "canary-value"})
    assert Redactor().redact_text("sent canary-value") == "sent ******"
