"""What bodies and answers are made of."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import TextChoices
from django.http import HttpResponse
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic_core import core_schema

_T = TypeVar("_T")

#: The range of the columns that numbers end up in.
MOST = 2**31 - 1
#: A moment, always with its zone.
Moment = datetime
#: The address of an app.
AppCode = Annotated[str, Field(max_length=122, pattern=r"^[a-z0-9_.]+$", examples=["examples.shop.books"])]
#: The address of a run.
RunId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$", examples=["3f2c9a7e5b1d4c60a8e2f7b91c0d5e34"])]


class one_of:  # noqa: N801 - reads as a word of an annotation
    """For text that is one of these, in a request and in an answer: `Annotated[str, one_of(State)]`."""

    def __init__(self, choices: type[TextChoices]) -> None:
        self.choices = choices

    def __get_pydantic_core_schema__(self, _source: Any, _handler: Any) -> Any:
        # Written out at each place: two choices of one name would be one in the description.
        return core_schema.literal_schema([str(value) for value in self.choices.values])


def _written_as(pattern: str, what: str) -> BeforeValidator:
    """Text of an address that is to become something else, as the description says and in no other way."""
    known = re.compile(pattern)

    def check(value: Any) -> Any:
        if isinstance(value, str) and not known.fullmatch(value):
            raise ValueError(f"Write {what}")
        return value

    return BeforeValidator(check)


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        # Of all errors pydantic takes this one for a fault of who wrote it.
        raise ValueError("Write a moment with its zone, such as 2026-03-01T04:00:00Z")  # noqa: TRY004
    return value


def _in_utc(moment: datetime) -> datetime:
    # PostgreSQL does not know all the offsets that Python knows.
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("There is no such moment") from None


#: What stands in an address: numbers, yes or no, moments.
Number = Annotated[int, _written_as(r"-?[0-9]{1,30}", "a whole number")]
Flag = Annotated[bool, _written_as("true|false", "true or false")]
When = Annotated[
    AwareDatetime,
    _written_as(r"[0-9]{4}-.+", "a moment with its zone, such as 2026-03-01T04:00:00Z"),
    AfterValidator(_in_utc),
]
#: The same in a body, where it is text as well, and no number of seconds.
WhenGiven = Annotated[
    AwareDatetime,
    Strict(strict=False),
    BeforeValidator(_text),
    AfterValidator(_in_utc),
]
#: The address of a row that has a number.
RowNumber = Annotated[Number, Field(ge=1, le=2**63 - 1, examples=[17])]


class Given(BaseModel):
    """A body. What it does not know it refuses: a misspelt name must not pass for nothing, nor 0 for false."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Asked(BaseModel):
    """A query."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """What is sent back. Fields may join; none leaves, and none changes what it means."""

    model_config = ConfigDict(from_attributes=True)


class Listing(Answer, Generic[_T]):
    """A part of a list."""

    items: list[_T]
    next_cursor: str | None = Field(None, description="`cursor` of the next part; null at the end.", examples=[None])


class Many(Asked):
    """Which part of a list."""

    cursor: str | None = Field(None, max_length=500, description="`next_cursor` of the part before.")
    limit: Number = Field(100, ge=1, le=500, description="How many at most.")


def reply(answer: BaseModel, status: int = 200, **headers: Any) -> HttpResponse:
    """An answer as it is sent; `Content_Type` and the like become names of headers."""
    response = HttpResponse(answer.model_dump_json(), status=status, content_type="application/json")
    for name, value in headers.items():
        response[name.replace("_", "-")] = str(value)
    return response
