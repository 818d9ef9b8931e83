"""Tickets for programs that open a WebSocket."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from pydantic import Field

from apps.accounts.tickets import issue_ticket
from apps.api.access import asker
from apps.api.problems import Problem
from apps.api.schemas import Answer, Moment, reply
from apps.api.section import Section
from apps.core.clock import utc_now

section = Section("tickets")


class TicketOut(Answer):
    """What opens one WebSocket."""

    ticket: str = Field(
        description="Say it in the first message of the socket. It works once.",
        examples=["vJ0iYx5qk2m8Zq3tq0b1q9l3Zc2g7n4w6s8d5f1h0jk"],
    )
    expires_at: Moment = Field(description="Until when it works.")


# It hands out a secret: no key keeps its answer. What it writes lives for seconds, and says whose it is.
@section.post(
    "/tickets",
    name="issueTicket",
    permission="runtime.view_runtime",
    answer=TicketOut,
    is_repeatable=False,
    is_recorded=False,
)
def issue(request: HttpRequest) -> HttpResponse:
    """A ticket for one WebSocket, for the holder of this access token."""
    token_id = asker(request).token_id
    if token_id is None:
        raise Problem("conflict", "Tickets are for programs with an access token; a page opens sockets by its session.")
    ticket = issue_ticket(token_id=token_id, now=utc_now())
    return reply(TicketOut(ticket=ticket.text, expires_at=ticket.expires_at))
