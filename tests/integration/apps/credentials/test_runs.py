"""Credentials in runs: who gets them, what is said where they are missing or cannot be decrypted."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from apps.core.clock import utc_now
from apps.core.encryption.keys import Key
from apps.credentials.models import Credential
from apps.runtime import runner
from apps.runtime.claims import open_run
from apps.runtime.hand import BadRequest, run_by_hand
from apps.runtime.interrupts import Interrupts
from apps.runtime.journals import journal_root
from apps.runtime.models import Runtime, State
from apps.runtime.process import identify_self
from apps.runtime.specs import spec_of
from apps.runtime.supervision import RunSpec
from apps.runtime.terminal import Terminal
from collectors.contract import Context
from tests.integration.factories import BOOKS, make_app, make_run, make_source

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

CANARY = "canary of a run"


def execute(main: Any, secrets: dict[str, str]) -> Runtime:
    run = open_run(make_app(), owner=identify_self(), args={}, now=utc_now())
    with Interrupts(grace_s=10) as interrupts:
        runner.execute(
            run, make_source(main), args={}, interrupts=interrupts, watch=lambda pulse: None, secrets=secrets
        )
    run.refresh_from_db()
    return run


def test_a_source_reads_them_and_what_it_says_of_them_is_masked() -> None:
    def main(context: Context) -> None:
        context.log.info("said", what=context.secrets["token"])
        raise ValueError(f"refused: {context.secrets['token']}")

    run = execute(main, {"token": CANARY})
    assert (run.state, run.cause) == (State.FAILED, "ValueError: refused: ******")
    assert not any(CANARY in f"{log.message} {log.context_json} {log.exception}" for log in run.logs.all())
    assert run.logs.filter(message="said").exists()
    assert not any(CANARY.encode() in path.read_bytes() for path in (journal_root() / run.pk).iterdir())


def test_one_that_is_missing_blocks_the_app_with_a_sentence() -> None:
    run = execute(lambda context: context.secrets["token"], {})
    assert (run.state, run.error_category, run.is_blocked) == (State.FAILED, "blocked", True)
    assert run.cause == f'{BOOKS} has no credential "token": an administrator adds it under Credentials.'


def test_the_specification_carries_those_of_the_app_and_does_not_print_them() -> None:
    app = make_app()
    Credential.objects.create(app=app, name="token", value=CANARY)
    Credential.objects.create(app=make_app("trial.odd.slow"), name="token", value="of another app")
    spec = spec_of(make_run(app))
    assert spec.secrets == {"token": CANARY}
    assert RunSpec.from_json(spec.as_json()) == spec
    assert CANARY not in repr(spec)


def test_without_the_key_nothing_is_started_and_a_sentence_says_why(settings: Any) -> None:
    app = make_app()
    Credential.objects.create(app=app, name="token", value=CANARY)
    settings.DC_SECRETS_KEYS = Key(b"2" * 32).as_text()
    said = (
        r'The credential "token" cannot be used\. It was encrypted with the key \w{8}, which is not in DC_SECRETS_KEYS'
    )
    with pytest.raises(ValueError, match=said):  # which a manager writes down as the cause, and goes on
        spec_of(make_run(app))
    with pytest.raises(BadRequest, match=said):
        run_by_hand(BOOKS, pairs=[], limit=None, dry_run=False, terminal=Terminal(OutputWrapper(io.StringIO()), BOOKS))
    assert spec_of(make_run(make_app("trial.odd.slow"))).secrets == {}
