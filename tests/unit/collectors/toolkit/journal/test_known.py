"""What a process has met as a secret is masked from then on, in whatever spelling."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

from collectors.toolkit.journal import Journal, Redactor, read_frames
from collectors.toolkit.journal.known import known

AWKWARD = 'p"ä\\ss/wörd &+%'


@pytest.mark.parametrize(
    "text",
    [
        AWKWARD,
        json.dumps({"x": AWKWARD}),
        json.dumps({"x": AWKWARD}, ensure_ascii=False),
        repr({"x": AWKWARD}),
        quote(AWKWARD),
        quote(AWKWARD, safe=""),
        urlencode({"q": AWKWARD}),
    ],
)
def test_a_secret_is_found_in_every_spelling(text: str) -> None:
    redactor = Redactor()
    assert redactor.redact_text(text) == text
    known.learn(AWKWARD)
    masked = redactor.redact_text(text)
    assert "******" in masked
    assert "rd" not in masked


def test_the_longer_lines_of_a_value_are_secrets_by_themselves() -> None:
    known.learn("-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nzz\n")
    assert Redactor().redact_text("got MIIEvQIBADANBgkqhkiG9w0BAQEFAASC, zz") == "got ******, zz"


def test_an_open_journal_masks_what_is_learned_later(tmp_path: Path) -> None:
    journal = Journal(tmp_path, about=lambda: {"role": "test"})
    journal.write("log", {"event": "before canary-one"})
    known.learn("canary-one")
    journal.write("log", {"event": "after canary-one", "c": {"deep": ["canary-one", {"x": "canary-one"}]}})
    journal.write("log", {"event": "flat", "c": {"said": "canary-one"}})
    journal.close()
    said = [str(frame.data) for frame in read_frames(journal.path).frames if frame.kind == "log"]
    assert "canary-one" in said[0]
    assert not any("canary-one" in line for line in said[1:])


def test_what_is_learned_for_a_while_is_forgotten() -> None:
    with known.for_a_while():
        known.learn("canary-two")
        assert Redactor().redact_text("canary-two") == "******"
    assert Redactor().redact_text("canary-two") == "canary-two"


def test_nothing_that_is_learned_raises() -> None:
    known.learn("", "\udcff lone surrogate", "x")
    assert Redactor().redact_text("a box of \udcff lone surrogate") == "a box of ******"
