"""What all rules have: a kind, parameters that are checked, and what follows when one is broken."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

#: What follows when a rule is broken: it is told; nothing of the merge is stored; the row is put aside.
Severity: TypeAlias = Literal["warn", "block", "quarantine"]
#: What a rule is about.
Family: TypeAlias = Literal["schema", "business", "volume", "freshness"]

FieldName: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
FieldNames: TypeAlias = Annotated[tuple[FieldName, ...], Field(max_length=50)]


class Rule(BaseModel):
    """The base of every rule. Its parameters are its fields; those that make no sense are refused when it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    kind: ClassVar[str]
    """Its name in the admin, in verdicts and in quarantined rows."""
    family: ClassVar[Family]
    severities: ClassVar[tuple[Severity, ...]]
    """What may follow when a rule of this kind is broken."""

    severity: Severity = "block"
    name: Annotated[str, Field(max_length=100)] = ""
    """What people call it; its kind and its fields, if empty."""

    @property
    def title(self) -> str:
        """Its name for people."""
        return self.name or " ".join([self.kind, ", ".join(self.field_names())]).strip()

    def field_names(self) -> tuple[str, ...]:
        """The fields of the table that it looks at."""
        return ()
