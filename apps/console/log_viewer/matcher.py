"""A child process that tries a regular expression on lines, so that one which never ends can be killed.

Python's `re` cannot be interrupted and holds up every thread while it works. Used where the database has no regular
expressions of its own. Speaks JSON, one document a line: first the expression, then lists of lines, each a list of its
texts; answers `null` or what is wrong with the expression, then lists of the places that match.
"""

from __future__ import annotations

import contextlib
import json
import re
import resource
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import IO, Any, Self, cast

#: What the child may take; an expression that wants more is one that nobody needs.
MEMORY_BYTES = 1024 * 1024 * 1024


class BrokenExpression(Exception):
    """The expression is not one; the message says what is wrong with it."""


class TooSlow(Exception):
    """The expression did not get through the lines in its time."""


class Matcher:
    """`with Matcher(expression) as matcher: places = matcher.places(lines)`."""

    def __init__(self, expression: str, *, seconds: float) -> None:
        """`seconds` are for the start, with the expression; `give` says how long the lines may take."""
        self._expression = expression
        self._deadline = time.monotonic() + seconds
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._questions = cast("IO[bytes]", self._child.stdin)
        self._answers = cast("IO[bytes]", self._child.stdout)

    def __enter__(self) -> Self:
        try:
            wrong = self._ask(self._expression)
        except TooSlow:
            self.__exit__()
            raise
        if wrong is not None:
            self.__exit__()
            raise BrokenExpression(wrong)
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        with contextlib.suppress(BrokenPipeError):
            self._questions.close()
        self._answers.close()
        self._child.wait()

    def give(self, seconds: float) -> None:
        """From now on it has so many seconds."""
        self._deadline = time.monotonic() + seconds

    def places(self, lines: Sequence[Sequence[str]]) -> list[int]:
        """The places of the lines of which some text matches. Raises `TooSlow`."""
        found: list[int] = self._ask(lines)
        return found

    def _ask(self, question: Any) -> Any:
        try:
            self._questions.write(json.dumps(question).encode() + b"\n")
            self._questions.flush()
        except BrokenPipeError:
            raise TooSlow("The process that tries the expression ended.") from None
        # The answer is one line, written at once: when its beginning is there, its end is near.
        left = max(0.0, self._deadline - time.monotonic())
        if not select.select([self._answers], [], [], left)[0]:
            raise TooSlow("The expression takes too long.")
        answer = self._answers.readline()
        if not answer:
            raise TooSlow("The process that tries the expression ended.")
        return json.loads(answer)


def serve() -> None:
    """The child: answer until nobody asks any more."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    try:
        expression = re.compile(json.loads(sys.stdin.readline()))
        wrong = None
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        wrong = str(error) or type(error).__name__
    print(json.dumps(wrong), flush=True)  # noqa: T201 - the answer
    for question in sys.stdin:
        lines = json.loads(question)
        found = [place for place, texts in enumerate(lines) if any(map(expression.search, texts))]
        print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
