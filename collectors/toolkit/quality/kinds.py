"""Every kind of rule, by its name; what an installation adds to the rules of its rooms is made from these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from collectors.toolkit.quality import fields, merges, relations, rows
from collectors.toolkit.quality.rules import Rule

KINDS: dict[str, type[Rule]] = {
    kind.kind: kind
    for kind in (
        *(rows.Fits, rows.Required, fields.Type, fields.Length, fields.Range, fields.Format, fields.OneOf),
        *(relations.Unique, relations.Compare, relations.Reference),
        *(merges.EmptyResult, merges.ArchivedShare, merges.RowCount, merges.Freshness),
    )
}
#: Parameters that are not a kind's own.
COMMON = ("severity", "name")


class BadRule(ValueError):
    """Parameters that make no rule; the message says which and why."""


def make_rule(kind: str, parameters: Mapping[str, Any], *, severity: str, name: str = "") -> Rule:
    """The rule that these parameters mean. Raises `BadRule`."""
    if kind not in KINDS:
        raise BadRule(f'There is no kind of rule "{kind}"; there are {", ".join(KINDS)}.')
    if severity not in KINDS[kind].severities:
        raise BadRule(f'A rule of the kind {kind} can {" or ".join(KINDS[kind].severities)}, not "{severity}".')
    if clash := [common for common in COMMON if common in parameters]:
        raise BadRule(f'"{clash[0]}" is not among the parameters: it has a place of its own.')
    try:
        return KINDS[kind].model_validate({**parameters, "severity": severity, "name": name})
    except ValidationError as error:
        raise BadRule(" ".join(fault_words(error))) from None


def fault_words(error: ValidationError) -> list[str]:
    """One sentence for each thing that pydantic found."""
    words = []
    for fault in error.errors(include_url=False, include_input=False):
        place = ".".join(map(str, fault["loc"]))
        text = fault["msg"].removeprefix("Value error, ")
        words.append(f'"{place}": {text}.' if place else f"{text[:1].upper()}{text[1:]}.")
    return words


def parameter_help(kind: type[Rule]) -> str:
    """What the parameters of a kind are, in one line."""
    own = {name: field for name, field in kind.model_fields.items() if name not in COMMON}
    return ", ".join(name if field.is_required() else f"[{name}]" for name, field in own.items()) or "none"
