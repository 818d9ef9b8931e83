"""Settings in words: wrong values as one line for people, right values without what is secret in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import annotated_types
from pydantic import SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

MASK = "******"
LONGEST_SHOWN = 60


def is_secret(field: FieldInfo) -> bool:
    """Whether values of this field must not be shown."""
    # The annotation is a union or an Annotated around it; its text names the class wherever it stands.
    return field.annotation is SecretStr or "SecretStr" in str(field.annotation)


def secret_values(groups: Iterable[BaseModel]) -> Iterator[str]:
    """What must never be printed of these settings: every secret, and of addresses the password."""
    for group in groups:
        for name in type(group).model_fields:
            value = getattr(group, name)
            if not isinstance(value, SecretStr):
                continue
            if not name.endswith("url"):
                yield value.get_secret_value()
                continue
            for address in value.get_secret_value().split(";"):
                password = _password(address)
                yield password
                yield unquote(password)


def _password(address: str) -> str:
    try:
        return urlsplit(address.strip()).password or ""
    except ValueError:
        return ""


def complaint(fault: Mapping[str, Any], field: FieldInfo, raw: str) -> str:
    """What pydantic found wrong, as the end of a sentence that begins with the variable."""
    shown = "" if is_secret(field) or "@" in raw else f', not "{_shortened(raw)}"'
    return f"{_expectation(fault, field)}{shown}"


def _expectation(fault: Mapping[str, Any], field: FieldInfo) -> str:
    kind, context = fault["type"], fault.get("ctx", {})
    if kind.startswith("int") or kind in ("greater_than_equal", "less_than_equal"):
        low = next((item.ge for item in field.metadata if isinstance(item, annotated_types.Ge)), None)
        high = next((item.le for item in field.metadata if isinstance(item, annotated_types.Le)), None)
        return "should be a whole number" + (f" from {low} to {high}" if low is not None and high is not None else "")
    if kind.startswith("bool"):
        return "should be yes or no"
    if kind == "literal_error":
        return "should be one of " + ", ".join(re.findall(r"'([^']*)'", context["expected"]))
    if kind == "value_error":
        return str(context["error"])
    message = str(fault["msg"])
    return message[:1].lower() + message[1:]


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST_SHOWN else f"{line[:LONGEST_SHOWN]}..."


def redacted(variable: str, value: Any) -> Any:
    """A value as it may be shown, also as JSON: of an address the scheme, host and name, of a secret nothing."""
    match value:
        case SecretStr() if variable.endswith("_URL"):
            return ";".join(redacted_url(part) for part in value.get_secret_value().split(";"))
        case SecretStr():
            return MASK
        case Path():
            return str(value)
        case list():
            return [redacted(variable, item) for item in value]
    return value


def redacted_url(url: str) -> str:
    """An address without user, password and parameters. What does not read as an address is hidden whole."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return MASK
    if not parts.scheme:
        return MASK
    host = f"{MASK}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    return f"{parts.scheme}://{host}{parts.path}" + (f"?{MASK}" if parts.query else "")
