"""Who may follow a run: asked before they do, and again while they do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from apps.console.log_viewer import MAY_READ
from apps.console.sockets.codes import NOT_ALLOWED, SIGNED_OUT
from apps.console.sockets.passes import Pass, Standing, standings
from apps.runtime.models import Runtime

__all__ = ["NOT_ALLOWED", "SIGNED_OUT", "Visitor", "admit_pass", "refused"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who was let in, by what, and to which run."""

    held: Pass
    run_id: str


def admit_pass(held: Pass, run_id: str) -> Visitor | None:
    """Whoever may read the log of a run that exists."""
    visitor = Visitor(held, run_id)
    codes = dict(Runtime.objects.filter(pk=run_id).values_list("pk", "app__code"))
    standing = standings([held], [MAY_READ]).get(held)
    return visitor if codes and standing is not None and _may_follow(standing, codes, visitor) else None


def refused(visitors: Iterable[Visitor]) -> dict[Visitor, int]:
    """Those who may not follow any longer, and the code that says why.

    Three queries for any number of visitors with a role; see `standings` for the others, and one for their runs.
    """
    asked = set(visitors)
    found = standings({visitor.held for visitor in asked}, [MAY_READ])
    partial = [visitor.run_id for visitor in asked if (one := found.get(visitor.held)) and one.codes[MAY_READ]]
    codes = dict(Runtime.objects.filter(pk__in=partial).values_list("pk", "app__code")) if partial else {}
    result = {}
    for visitor in asked:
        standing = found.get(visitor.held)
        if standing is None:
            result[visitor] = SIGNED_OUT
        elif not _may_follow(standing, codes, visitor):
            result[visitor] = NOT_ALLOWED
    return result


def _may_follow(standing: Standing, codes: Mapping[str, str], visitor: Visitor) -> bool:
    # A run that is gone belongs to no app: its feed says so to everybody.
    return standing.may(MAY_READ, codes.get(visitor.run_id, ""))
