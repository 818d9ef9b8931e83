"""Apps as the API shows and takes them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from apps.api.schemas import MOST, Answer, AppCode, Asked, Flag, Given, Many, Moment, Number, RunId, one_of
from apps.registry.models import App
from apps.runtime.models import Command, State

Word = Annotated[str, Field(min_length=1, max_length=100)]
Count = Annotated[int, Field(ge=0, le=MOST)]
#: What people decide about an app; the rest of its row the platform writes.
DECIDED = (
    *("description", "owner", "tags", "args", "kind", "schedule", "interval_s", "cron", "time_zone", "jitter_s"),
    *("overlap", "missed", "retry_attempts", "retry_interval_s", "queue", "warm_start", "is_exclusive"),
    *("memory_limit_mb", "cpu_limit_s", "process_limit", "disable_after", "max_parallel", "time_limit_s"),
    "stop_grace_s",
)


class LastRun(Answer):
    """The newest run of an app."""

    id: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    state: Annotated[str, one_of(State)]
    queued_at: Moment


class AppOut(Answer):
    """An app: who it is, when and how it runs, and how it does."""

    code: str = Field(examples=["examples.shop.books"])
    is_enabled: bool = Field(examples=[True])
    description: str
    owner: str | None = Field(description="A user name.", examples=["ana"])
    tags: list[Any] = Field(examples=[["prices", "daily"]])
    args: Any = Field(description="Used where a run does not say otherwise.", examples=[{"category": "Poetry"}])
    args_schema: Any = Field(description="JSON schema of the arguments.", examples=[{}])
    kind: Annotated[str, one_of(App.Kind)]
    schedule: Annotated[str, one_of(App.Schedule)] = Field(examples=["CRON"])
    interval_s: int | None = Field(examples=[None])
    cron: str = Field(examples=["0 6 * * *"])
    time_zone: str = Field(examples=["Europe/Zagreb"])
    jitter_s: int
    overlap: Annotated[str, one_of(App.Overlap)]
    missed: Annotated[str, one_of(App.Missed)]
    retry_attempts: int
    retry_interval_s: int = Field(examples=[300])
    queue: str = Field(examples=["runs"])
    warm_start: bool
    is_exclusive: bool
    memory_limit_mb: int | None = Field(examples=[None])
    cpu_limit_s: int | None = Field(examples=[None])
    process_limit: int | None = Field(examples=[None])
    disable_after: int = Field(examples=[3])
    max_parallel: int = Field(examples=[1])
    time_limit_s: int | None = Field(examples=[3600])
    stop_grace_s: int = Field(examples=[10])
    next_run_at: Moment | None
    failures_in_a_row: int
    fatal: Annotated[str, one_of(App.Fatal)] = Field(description="Why the platform disabled it by itself.")
    fatal_reason: str
    fatal_at: Moment | None = Field(examples=[None])
    is_on_trial: bool
    remove_after: Moment | None = Field(description="When its rows are deleted.", examples=[None])
    created_at: Moment
    modified_at: Moment
    last_run: LastRun | None


class AppFilter(Many):
    """Which apps."""

    group: str | None = Field(None, max_length=40, description="The first part of the code.")
    parent: str | None = Field(None, max_length=81, description="The first two parts of the code: group.parent.")
    is_enabled: Flag | None = None
    kind: Annotated[str, one_of(App.Kind)] | None = None
    fatal: Annotated[str, one_of(App.Fatal)] | None = None
    tag: str | None = Field(None, max_length=100)
    owner: str | None = Field(None, max_length=150, description="A user name.")
    q: str | None = Field(None, max_length=100, description="A part of the code or the description.")


class AppNew(Given):
    """An app for a source that is on disk."""

    code: AppCode
    description: str = Field("", max_length=20_000)
    kind: Annotated[str, one_of(App.Kind)] = App.Kind.MANAGED


class AppChange(Given):
    """What is to change; what is not named stays."""

    description: str = Field("", max_length=20_000)
    owner: str | None = Field(None, max_length=150, description="A user name; null: nobody.", examples=["ana"])
    tags: list[Word] = Field([], max_length=100)
    args: dict[str, Any] = Field({}, examples=[{"category": "Poetry"}])
    kind: Annotated[str, one_of(App.Kind)] = App.Kind.MANAGED
    schedule: Annotated[str, one_of(App.Schedule)] = Field(App.Schedule.MANUAL, examples=["CRON"])
    interval_s: Count | None = Field(None, examples=[None])
    cron: str = Field("", max_length=100, examples=["0 6 * * *"])
    time_zone: str = Field("UTC", max_length=64)
    jitter_s: Count = 0
    overlap: Annotated[str, one_of(App.Overlap)] = App.Overlap.SKIP
    missed: Annotated[str, one_of(App.Missed)] = App.Missed.ONCE
    retry_attempts: Annotated[int, Field(ge=0, le=100)] = 0
    retry_interval_s: Count = 300
    queue: str = Field("runs", max_length=40)
    warm_start: bool = True
    is_exclusive: bool = False
    memory_limit_mb: Count | None = None
    cpu_limit_s: Count | None = None
    process_limit: Count | None = None
    disable_after: Annotated[int, Field(ge=0, le=32_767)] = 3
    max_parallel: Annotated[int, Field(ge=1, le=100)] = 1
    time_limit_s: Count | None = None
    stop_grace_s: Count = 10


class Start(Given):
    """How a run is to differ from what its app says."""

    args: dict[str, Any] | None = Field(
        None, description="Arguments of the source; null: those of the app, and for a restart those of the run."
    )
    limit: Annotated[int, Field(ge=1, le=MOST)] | None = Field(None, description="Collect at most so many items.")
    dry_run: bool = Field(default=False, description="Work everything out, write no row.")
    deadline_s: Annotated[float, Field(gt=0, le=366 * 86_400)] | None = Field(
        None, description="Expire when it has not begun in so many seconds.", examples=[60]
    )


class Stop(Given):
    """Which run is to stop; null: all of the app."""

    runtime: RunId | None = Field(None, examples=[None])


class Enable(Given):
    """Whether a trial run decides; null: when the platform had disabled the app."""

    trial: bool | None = None


class Removal(Asked):
    """How long its rows stay."""

    grace_days: Number = Field(30, ge=1, le=3650, description="Days until they are deleted.")


class Wanted(Given):
    """Apps that all of what is given applies to."""

    codes: list[AppCode] | None = Field(None, max_length=1_000, examples=[["examples.shop.books"]])
    group: str | None = Field(None, max_length=40, examples=[None])
    is_enabled: bool | None = None
    tag: str | None = Field(None, max_length=100)
    q: str | None = Field(None, max_length=100)


class Bulk(Given):
    """One command for many apps."""

    verb: Annotated[str, one_of(Command.Verb)]
    where: Wanted
    preview: bool = Field(default=False, description="Say which it would be, which not and why, and do nothing.")
    cursor: str | None = Field(None, max_length=500, description="`next_cursor` of the answer before.")
    limit: int = Field(100, ge=1, le=200, description="How many apps at most; the rest with the cursor.")


class BulkItem(Answer):
    """What became of one of the apps."""

    code: str = Field(examples=["examples.shop.books"])
    outcome: Literal["would", "done", "pending", "refused"] = Field(examples=["done"])
    command: int | None = Field(description="The command to poll.", examples=[17])
    reason: str = Field(description="Why it was refused.", examples=[""])


class BulkAnswer(Answer):
    """What became of each, in the order of the codes."""

    items: list[BulkItem]
    next_cursor: str | None = Field(examples=[None])
