"""How much a call has to do, from its arguments."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from collectors.toolkit.profiling.aggregates import Cell, tell_once

#: Where the size of a task comes from: "auto" looks at the arguments, a number is the size of every call, None is none.
TaskSize: TypeAlias = int | Literal["auto"] | None

#: Whether a type counts as having a length. Bounded, because types can be made at run time.
KNOWN: dict[type, bool] = {}
_MAX_KNOWN = 1_000
_TEXT = (str, bytes, bytearray, memoryview)


def has_length(kind: type) -> bool:
    """Whether the length of such an argument is the size of a task.

    Text is one thing and not many. The length of Django's lazy query sets is a query that nobody asked for.
    """
    found = hasattr(kind, "__len__") and not issubclass(kind, _TEXT) and not hasattr(kind, "_fetch_all")
    if len(KNOWN) >= _MAX_KNOWN:
        KNOWN.clear()
    KNOWN[kind] = found
    return found


class Sizes:
    """Where the task size of a function's calls comes from."""

    __slots__ = ("first", "fixed", "name")

    def __init__(self, target: Any, task_size: TaskSize) -> None:
        self.name = f"the task size of {target.__qualname__}"
        self.fixed = task_size if isinstance(task_size, int) else None
        #: The place of the first argument that is looked at; None looks at none. `self` is not what a method works on.
        self.first: int | None = None
        if task_size == "auto":
            names = getattr(getattr(target, "__code__", None), "co_varnames", ())
            self.first = 1 if names[:1] in (("self",), ("cls",)) else 0

    def note(self, cell: Cell, args: tuple[Any, ...]) -> None:
        """Add the size of one call."""
        try:
            if self.fixed is not None:
                cell.sizes.append(self.fixed)
            elif self.first is not None:
                for argument in args[self.first :]:
                    kind = type(argument)
                    known = KNOWN.get(kind)
                    if known or (known is None and has_length(kind)):
                        cell.sizes.append(len(argument))
                        return
        except Exception as error:  # noqa: BLE001 - a length that fails is no reason for the call to fail
            tell_once(self.name, error)
