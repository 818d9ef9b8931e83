"""Runs and commands as the API shows them."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from apps.api.schemas import Answer, Flag, Many, Moment, When, one_of
from apps.runtime.models import Command, Runtime, State

_RUN = "3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"


class CommandOut(Answer):
    """What somebody asked for. Poll it until `finished_at` is set."""

    id: int = Field(examples=[17])
    app: str = Field(examples=["examples.shop.books"])
    verb: Annotated[str, one_of(Command.Verb)]
    state: Annotated[str, one_of(Command.Progress)] = Field(
        description="PENDING, CLAIMED, then EXECUTED, NOT_EXECUTED or EXPIRED."
    )
    reason: str = Field(description="Why it was not executed.", examples=[""])
    runtime: str | None = Field(description="The run it started, or is to stop.", examples=[_RUN])
    args: Any = Field(examples=[{"category": "Poetry"}])
    limit: int | None = Field(examples=[None])
    dry_run: bool
    source: Annotated[str, one_of(Command.Source)] = Field(examples=["API"])
    issuer: str | None = Field(description="A user name.", examples=["ana"])
    created_at: Moment
    deadline_at: Moment | None = Field(examples=[None])
    claimed_at: Moment | None = Field(examples=[None])
    finished_at: Moment | None


class CommandFilter(Many):
    """Which commands."""

    app: str | None = Field(None, max_length=122)
    verb: Annotated[str, one_of(Command.Verb)] | None = None
    is_open: Flag | None = Field(None, description="Those that are not finished, or those that are.")


class RunOut(Answer):
    """One execution of an app."""

    id: str = Field(examples=[_RUN])
    app: str = Field(examples=["examples.shop.books"])
    state: Annotated[str, one_of(State)]
    trigger: Annotated[str, one_of(Runtime.Trigger)]
    cause: str = Field(description="One sentence: why it ended as it did.")
    args: Any = Field(examples=[{}])
    limit: int | None = Field(examples=[None])
    is_dry_run: bool
    is_trial: bool
    is_complete: bool | None = Field(description="Whether it saw all there is to see.", examples=[True])
    attempt: int = Field(examples=[1])
    queue: str = Field(examples=["runs"])
    code_version: str
    due_at: Moment | None = Field(examples=[None])
    queued_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    node: str = Field(description="Host name of the machine.", examples=["collector-1"])
    pid: int | None = Field(examples=[4711])
    exit_code: int | None = Field(examples=[0])
    signal: int | None = Field(examples=[None])
    error_category: str
    stop_stage: str
    progress: int | None = Field(description="Percent.", examples=[40])
    task_size: int | None = Field(examples=[1000])
    solved: int = Field(examples=[400])
    failed: int
    eta_at: Moment | None = Field(examples=[None])
    continues: str = Field(description="The run whose list it went on with; empty: it made its own.", examples=[""])
    queue_size: int | None = Field(description="Items of that list.", examples=[None])
    queue_left: int | None = Field(description="How many of them were left to it.", examples=[None])
    rows_seen: int = Field(examples=[400])
    rows_inserted: int = Field(examples=[12])
    rows_archived: int = Field(examples=[3])
    rows_unchanged: int = Field(examples=[388])
    rows_quarantined: int
    request_count: int = Field(examples=[41])
    request_mean_ms: float | None = Field(examples=[120.5])
    request_p95_ms: float | None = Field(examples=[310.0])
    error_rate: float | None = Field(examples=[0.0])
    exception_count: int
    log_counts: Any = Field(description="Level -> lines.", examples=[{"INFO": 41}])
    journal_complete: bool | None = Field(description="Whether all it said is stored.", examples=[True])
    peak_memory_bytes: int | None = Field(examples=[52_428_800])
    cpu_s: float | None = Field(examples=[1.4])


class RunDetails(RunOut):
    """One execution, with what is too much for a list."""

    http_summary: Any = Field(description="Its requests by status and host.", examples=[{}])
    touched_objects: Any = Field(description="The tables it merged rows into.", examples=[[]])
    limits: Any = Field(description="The limits of its app when it was claimed.", examples=[{}])


class RunFilter(Many):
    """Which runs, newest first."""

    app: str | None = Field(None, max_length=122)
    state: list[Annotated[str, one_of(State)]] = Field([], max_length=20, description="Any of these.")
    trigger: Annotated[str, one_of(Runtime.Trigger)] | None = None
    queued_from: When | None = Field(None, description="Queued at this moment or later.")
    queued_to: When | None = Field(None, description="Queued before this moment.")
