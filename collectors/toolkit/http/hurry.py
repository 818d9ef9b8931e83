"""Nothing is done for an item beyond its deadline. In an event loop the item is cancelled instead."""

from __future__ import annotations

from typing import TypeVar

from collectors.toolkit.deadlines import Deadline, current_deadline
from collectors.toolkit.http.answer import Exchange
from collectors.toolkit.http.session import Session
from collectors.toolkit.http.steps import Wait

Step = TypeVar("Step")
#: How often somebody who waits looks whether the item was called off.
LOOK_S = 0.5


def hurried(step: Step) -> Step:
    """The step, cut to what is left. Raises `ItemTimeout` when nothing is, or when to wait would take longer."""
    deadline = current_deadline()
    if deadline is None:
        return step
    if deadline.left_s <= (step.seconds if isinstance(step, Wait) and not step.is_for_turn else 0.0):
        raise deadline.error()
    if isinstance(step, Exchange):
        step.deadline = min(step.deadline, deadline.at)
    return step


def waited(session: Session, step: Wait) -> bool:
    """Wait; False if the run was asked to stop meanwhile. Raises `ItemTimeout` when the item was called off."""
    deadline, seconds = current_deadline(), step.seconds
    _put_off(deadline, step)
    while deadline is not None and seconds > LOOK_S:
        if not session.wait(LOOK_S):
            return False
        seconds -= LOOK_S
        if deadline.left_s <= 0:
            raise deadline.error()
    return session.wait(seconds)


async def paused(session: Session, step: Wait) -> bool:
    """`waited`, in an event loop."""
    _put_off(current_deadline(), step)
    return await session.pause(step.seconds)


def _put_off(deadline: Deadline | None, step: Wait) -> None:
    if deadline is not None and step.is_for_turn:
        deadline.put_off(step.seconds)
