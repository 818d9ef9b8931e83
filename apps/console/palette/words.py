"""What somebody types into the palette: a verb and the words of an app, or just words."""

from __future__ import annotations

from dataclasses import dataclass

from apps.runtime.bulk_models import BulkJob

Action = BulkJob.Action
#: What opens a page instead of doing something.
TAIL, LOG = "tail", "log"
LONGEST = 200

#: The first word -> what it asks for. Several words may mean the same; the beginning of one is enough.
VERBS: dict[str, BulkJob.Action | str] = {
    "run": Action.START,
    "start": Action.START,
    "stop": Action.STOP,
    "restart": Action.RESTART,
    "enable": Action.ENABLE,
    "disable": Action.DISABLE,
    "tail": TAIL,
    "log": LOG,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was typed: all words, and if the first may be a verb, which verbs and what is left."""

    words: tuple[str, ...]
    verbs: tuple[BulkJob.Action | str, ...] = ()
    rest: tuple[str, ...] = ()


def understand(text: str) -> Asked:
    """`stop bo` asks to stop apps with "bo" in their code; `st` may become start or stop."""
    words = tuple(text[:LONGEST].lower().split())
    if not words:
        return Asked(())
    exact = VERBS.get(words[0])
    if exact is not None:
        return Asked(words, (exact,), words[1:])
    begun = [verb for word, verb in VERBS.items() if len(words[0]) > 1 and word.startswith(words[0])]
    return Asked(words, tuple(dict.fromkeys(begun)), words[1:])
