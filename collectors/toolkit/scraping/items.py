"""Items as text, so that another process can go on with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from collectors.toolkit.errors import CollectError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class BadItem(CollectError):
    """An item that cannot be written down, or not be read back."""


class ItemTexts:
    """Writes items and reads them: plain JSON, or what pydantic makes of `item_type`."""

    def __init__(self, item_type: Any = None) -> None:
        self._adapter = None if item_type is None else _adapter(item_type)
        self._name = getattr(item_type, "__name__", str(item_type))

    def write(self, item: Any) -> str:
        """The item as text. Raises `BadItem` where it would come back as something else."""
        try:
            text = self._write(item)
            back = self._read(text)
        except (TypeError, ValueError) as error:
            raise BadItem(f"{self._words(item)} cannot be kept for a later run: {_first_line(error)}.") from error
        if back != item:
            raise BadItem(
                f"{self._words(item)} would come back as {back!r:.200}. Say by the class attribute `item_type` what "
                "items are: a dataclass, tuple[str, int] and the like."
            )
        return text

    def read(self, text: str) -> Any:
        """The item. Raises `BadItem` where it was written by a source that has changed since."""
        try:
            return self._read(text)
        except ValueError as error:
            raise BadItem(
                f"The queue holds {text[:200]}, which is no {self._name}: {_first_line(error)}. If the source has "
                "changed since, remove its queue."
            ) from error

    def _write(self, item: Any) -> str:
        if self._adapter is None:
            return json.dumps(item, ensure_ascii=False, sort_keys=True)
        return self._adapter.dump_json(item, warnings="error").decode()

    def _read(self, text: str) -> Any:
        return json.loads(text) if self._adapter is None else self._adapter.validate_json(text)

    def _words(self, item: Any) -> str:
        return f"The item {item!r:.200}"


def args_text(args: Any) -> str:
    """The arguments of a run, always the same text for the same arguments."""
    plain = args.model_dump(mode="json") if isinstance(args, BaseModel) else args
    return json.dumps(plain, sort_keys=True, default=str)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")


def _adapter(item_type: Any) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(item_type)
