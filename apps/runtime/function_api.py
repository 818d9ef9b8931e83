"""Watched functions for programs: the slowest, and how each did from run to run."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import visible
from apps.api.paging import but, page_of
from apps.api.problems import Problem
from apps.api.schemas import Answer, Listing, Many, Moment, RowNumber, RunId, reply
from apps.api.section import Section
from apps.registry.models import App
from apps.runtime.api import VIEW_RUN, find_run
from apps.runtime.function_models import AppFunction, FunctionLog

section = Section("functions")


class Figures(Answer):
    """What came together over some calls; times in milliseconds."""

    calls: int = Field(examples=[41])
    errors: int
    has_failed: bool = Field(description="At least one error.")
    last_error: str
    task_size: int | None = Field(examples=[None])
    solved: int
    failed: int
    total_ms: float = Field(examples=[1230.5])
    mean_ms: float | None = Field(examples=[30.0])
    p50_ms: float | None = Field(examples=[28.0])
    p95_ms: float | None = Field(examples=[61.0])
    min_ms: float | None = Field(examples=[12.0])
    max_ms: float | None = Field(examples=[80.0])


class FunctionOut(Figures):
    """A watched function over all runs of its app."""

    id: int = Field(examples=[17])
    app: str = Field(examples=["examples.shop.books"])
    name: str = Field(description="Within its module.", examples=["Books.collect"])
    module: str = Field(examples=["collectors.sources.examples.shop.books.main"])
    run_count: int = Field(examples=[9])
    first_seen_at: Moment
    last_seen_at: Moment


class FunctionInRun(Figures):
    """A watched function in one run."""

    function: int = Field(examples=[17])
    run: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    name: str = Field(examples=["Books.collect"])
    module: str = Field(examples=["collectors.sources.examples.shop.books.main"])
    caller: int | None = Field(description="The function from which it took most of its time.", examples=[None])
    first_start_at: Moment
    last_end_at: Moment | None


class FunctionFilter(Many):
    """Which functions, those that took the most time first."""

    app: str | None = Field(None, max_length=122)


@section.get("/functions", name="listFunctions", permission=VIEW_RUN, answer=Listing[FunctionOut])
def list_functions(request: HttpRequest, wanted: Query[FunctionFilter]) -> HttpResponse:
    """Watched functions, those that took the most time first."""
    rows = visible(
        request, VIEW_RUN, AppFunction.objects.select_related("app").defer("sketch", *but("app", App, "code"))
    )
    if wanted.app:
        rows = rows.filter(app__in=App.objects.filter(code=wanted.app))
    return reply(page_of(rows, ("-total_ms", "-id"), wanted, function_out))


@section.get("/functions/{function_id}/trend", name="functionTrend", permission=VIEW_RUN, answer=Listing[FunctionInRun])
def function_trend(request: HttpRequest, function_id: Path[RowNumber], wanted: Query[Many]) -> HttpResponse:
    """A function in the runs that called it, the newest first."""
    function = visible(request, VIEW_RUN, AppFunction.objects.all()).filter(pk=function_id).first()
    if function is None:
        raise Problem("not-found", f"There is no function {function_id}.")
    rows = FunctionLog.objects.filter(function=function).select_related("function").defer("sketch", "callers")
    return reply(page_of(rows, ("-first_start_at", "-id"), wanted, in_run))


@section.get("/runtimes/{run_id}/functions", name="runFunctions", permission=VIEW_RUN, answer=Listing[FunctionInRun])
def run_functions(request: HttpRequest, run_id: Path[RunId], wanted: Query[Many]) -> HttpResponse:
    """The functions of a run, those that took the most time first."""
    run = find_run(request, VIEW_RUN, run_id)
    rows = FunctionLog.objects.filter(runtime=run).select_related("function").defer("sketch", "callers")
    return reply(page_of(rows, ("-total_ms", "-id"), wanted, in_run))


def function_out(row: AppFunction) -> FunctionOut:
    """A function as it is shown."""
    names = set(FunctionOut.model_fields) - {"app", "name"}
    return FunctionOut.model_construct(
        app=row.app.code, name=row.qualified_name, **{name: getattr(row, name) for name in names}
    )


def in_run(row: FunctionLog) -> FunctionInRun:
    """A function in a run as it is shown."""
    names = set(FunctionInRun.model_fields) - {"function", "run", "name", "module", "caller"}
    return FunctionInRun.model_construct(
        function=row.function_id,
        run=row.runtime_id,
        name=row.function.qualified_name,
        module=row.function.module,
        caller=row.parent_id,
        **{name: getattr(row, name) for name in names},
    )
