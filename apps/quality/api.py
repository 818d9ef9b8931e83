"""Datasets with their merges, and the rules of this installation, for programs."""

from __future__ import annotations

from typing import Annotated, Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Path, Query
from pydantic import Field

from apps.api.access import by, visible
from apps.api.paging import but, page_of
from apps.api.problems import Problem
from apps.api.rows import change_row, create_row, find_row, remove_row, row_version
from apps.api.schemas import Answer, Flag, Given, Listing, Many, Moment, RowNumber, one_of, reply
from apps.api.section import Section
from apps.quality.forms import RuleForm
from apps.quality.models import Dataset, Measurement, Outcome, QuarantinedRow, Rule
from apps.quality.services import let_through
from apps.registry.models import App

section = Section("quality")

VIEW, LET_THROUGH = "quality.view_dataset", "quality.add_letthrough"
VIEW_RULE, ADD_RULE, CHANGE_RULE, DELETE_RULE = (f"quality.{verb}_rule" for verb in ("view", "add", "change", "delete"))
Label = Annotated[str, Field(max_length=200, pattern=r"^[a-z0-9_.]+$", examples=["examples_shop_books.book"])]
_PARAMETERS = {"field": "price", "minimum": 0}


class DatasetOut(Answer):
    """A table of collected rows, as its last merge left it."""

    label: str = Field(examples=["examples_shop_books.book"])
    app: str | None = Field(examples=["examples.shop.books"])
    outcome: Annotated[str, one_of(Outcome)] = Field(description="What the rules said of the last merge.")
    cause: str = Field(description="What they found.")
    run: str = Field(description="The run of the last merge.", examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    judged_at: Moment
    good_at: Moment | None = Field(description="When a merge was stored last.")
    completeness: float | None = Field(description="Share of the values that are not empty.", examples=[0.98])
    held: int = Field(description="Rows in quarantine.", examples=[2])


class DatasetFilter(Many):
    """Which datasets."""

    outcome: Annotated[str, one_of(Outcome)] | None = None
    app: str | None = Field(None, max_length=122)


class MergeOut(Answer):
    """One merge: its numbers, its metrics, and what each rule said."""

    run: str = Field(examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])
    merge: int = Field(description="Which merge of its run into this table.", examples=[1])
    at: Moment
    outcome: Annotated[str, one_of(Outcome)]
    cause: str
    verdicts: list[Any] = Field(description="Of each rule.", examples=[[{"rule": "range", "outcome": "pass"}]])
    is_complete: bool = Field(examples=[True])
    completeness: float | None = Field(examples=[0.98])
    consistency: float | None = Field(description="Share of the rows that broke no rule.", examples=[1.0])
    freshness_s: float | None = Field(description="Since the merge before was stored.", examples=[3600.0])
    stability: float | None = Field(description="Robust deviations from the usual number of rows.", examples=[0.4])
    current: int = Field(description="Rows that were current before.", examples=[100])
    seen: int = Field(examples=[101])
    inserted: int = Field(examples=[1])
    archived: int
    unchanged: int = Field(examples=[100])
    duplicates: int
    changed: int
    deleted: int
    quarantined: int


class LetThroughOut(Answer):
    """The next merge passes, whatever the rules about merges say."""

    dataset: str = Field(examples=["examples_shop_books.book"])
    granted_by: str = Field(examples=["ana"])
    granted_at: Moment
    expires_at: Moment


class RuleOut(Answer):
    """A rule that this installation adds to those of a room."""

    id: int = Field(examples=[17])
    dataset: str = Field(examples=["examples_shop_books.book"])
    kind: str = Field(examples=["range"])
    parameters: dict[str, Any] = Field(examples=[_PARAMETERS])
    severity: Annotated[str, one_of(Rule.Severity)]
    name: str = Field(examples=["No free books"])
    is_enabled: bool = Field(examples=[True])
    created_at: Moment
    modified_at: Moment


class RuleFilter(Many):
    """Which rules."""

    dataset: str | None = Field(None, max_length=200)
    kind: str | None = Field(None, max_length=40)
    is_enabled: Flag | None = None


class RuleNew(Given):
    """A rule; docs/quality.md lists the parameters by kind."""

    dataset: Label
    kind: str = Field(max_length=40, examples=["range"])
    parameters: dict[str, Any] = Field({}, examples=[_PARAMETERS])
    severity: Annotated[str, one_of(Rule.Severity)]
    name: str = Field("", max_length=100)
    is_enabled: bool = True


class RuleChange(Given):
    """What is to change; what is not named stays."""

    kind: str = Field("", max_length=40, examples=["range"])
    parameters: dict[str, Any] = Field({}, examples=[_PARAMETERS])
    severity: Annotated[str, one_of(Rule.Severity)] = Rule.Severity.WARN
    name: str = Field("", max_length=100)
    is_enabled: bool = True


@section.get("/datasets", name="listDatasets", permission=VIEW, answer=Listing[DatasetOut])
def list_datasets(request: HttpRequest, wanted: Query[DatasetFilter]) -> HttpResponse:
    """Tables of collected rows with what the rules said last, by label."""
    rows = visible(request, VIEW, _datasets())
    if wanted.outcome:
        rows = rows.filter(outcome=wanted.outcome)
    if wanted.app:
        rows = rows.filter(app__code=wanted.app)
    return reply(page_of(rows, ("label",), wanted, dataset_out))


@section.get("/datasets/{label}", name="getDataset", permission=VIEW, answer=DatasetOut)
def get_dataset(request: HttpRequest, label: Path[Label]) -> HttpResponse:
    """One of them."""
    return reply(dataset_out(_dataset(request, VIEW, label)))


@section.get("/datasets/{label}/metrics", name="datasetMetrics", permission=VIEW, answer=Listing[MergeOut])
def dataset_metrics(request: HttpRequest, label: Path[Label], wanted: Query[Many]) -> HttpResponse:
    """Its merges, the newest first: the trend of each metric."""
    rows = Measurement.objects.filter(dataset=_dataset(request, VIEW, label))
    return reply(page_of(rows, ("-at", "-id"), wanted, merge_out))


@section.post(
    "/datasets/{label}/let-through",
    name="letThrough",
    permission=LET_THROUGH,
    answer=LetThroughOut,
    is_recorded=False,
)
def release(request: HttpRequest, label: Path[Label]) -> HttpResponse:
    """Have the next merge pass, whatever the rules about merges say; those about rows still hold."""
    dataset = _dataset(request, LET_THROUGH, label)
    granted = let_through(dataset.label, **by(request))
    return reply(
        LetThroughOut(
            dataset=granted.dataset,
            granted_by=granted.granted_name,
            granted_at=granted.granted_at,
            expires_at=granted.expires_at,
        )
    )


@section.get("/rules", name="listRules", permission=VIEW_RULE, answer=Listing[RuleOut])
def list_rules(request: HttpRequest, wanted: Query[RuleFilter]) -> HttpResponse:
    """Rules of this installation; those of the rooms are in their code."""
    rows = visible(request, VIEW_RULE, Rule.objects.all())
    conditions = {"label": wanted.dataset, "kind": wanted.kind, "is_enabled": wanted.is_enabled}
    rows = rows.filter(**{name: value for name, value in conditions.items() if value is not None})
    return reply(page_of(rows, ("label", "id"), wanted, rule_out))


@section.post("/rules", name="createRule", permission=ADD_RULE, answer=RuleOut, status=201, is_recorded=False)
def create_rule(request: HttpRequest, new: RuleNew) -> HttpResponse:
    """Add a rule to a dataset."""
    given = new.model_dump()
    row = create_row(request, RuleForm, {**given, "label": given.pop("dataset")})
    return reply(rule_out(row), 201, Location=f"/api/v1/rules/{row.pk}", ETag=row_version(row))


@section.get("/rules/{rule_id}", name="getRule", permission=VIEW_RULE, answer=RuleOut, has_version=True)
def get_rule(request: HttpRequest, rule_id: Path[RowNumber]) -> HttpResponse:
    """One of them."""
    row = _rule(request, VIEW_RULE, rule_id)
    return reply(rule_out(row), ETag=row_version(row))


@section.patch("/rules/{rule_id}", name="changeRule", permission=CHANGE_RULE, answer=RuleOut, is_recorded=False)
def change_rule(request: HttpRequest, rule_id: Path[RowNumber], new: RuleChange) -> HttpResponse:
    """Change a rule; the next merge looks at it."""
    row = _rule(request, CHANGE_RULE, rule_id)
    row = change_row(request, row, RuleForm, new.model_dump(exclude_unset=True))
    return reply(rule_out(row), ETag=row_version(row))


@section.delete("/rules/{rule_id}", name="deleteRule", permission=DELETE_RULE, answer=RuleOut, is_recorded=False)
def delete_rule(request: HttpRequest, rule_id: Path[RowNumber]) -> HttpResponse:
    """Take a rule away."""
    row = _rule(request, DELETE_RULE, rule_id)
    told = rule_out(row)
    remove_row(request, row)
    return reply(told)


def _datasets() -> QuerySet[Dataset]:
    held = Count("quarantined_rows", filter=Q(quarantined_rows__state=QuarantinedRow.State.HELD))
    return Dataset.objects.select_related("app").defer("trend", *but("app", App, "code")).annotate(held=held)


def _dataset(request: HttpRequest, permission: str, label: str) -> Dataset:
    row = visible(request, permission, _datasets()).filter(label=label).first()
    if row is None:
        raise Problem("not-found", f"There is no dataset {label}; nothing has been merged into it.")
    return row


def _rule(request: HttpRequest, permission: str, rule_id: int) -> Rule:
    return find_row(request, permission, Rule.objects.all(), f"rule {rule_id}", pk=rule_id)


def dataset_out(row: Any) -> DatasetOut:
    """A dataset as it is shown."""
    names = set(DatasetOut.model_fields) - {"app", "run"}
    shown = {name: getattr(row, name) for name in names}
    return DatasetOut.model_construct(**shown, app=row.app.code if row.app else None, run=row.runtime)


def merge_out(row: Measurement) -> MergeOut:
    """A merge as it is shown."""
    shown = {name: getattr(row, name) for name in MergeOut.model_fields if name != "run"}
    return MergeOut.model_construct(**shown, run=row.runtime)


def rule_out(row: Rule) -> RuleOut:
    """A rule as it is shown."""
    shown = {name: getattr(row, name) for name in RuleOut.model_fields if name != "dataset"}
    return RuleOut.model_construct(**shown, dataset=row.label)
