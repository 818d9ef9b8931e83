"""`context.secrets`: the credentials of an app, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar, overload

from collectors.toolkit.errors import MissingSecret
from collectors.toolkit.journal.known import known

T = TypeVar("T")


class Secrets(Mapping[str, str]):
    """Names and values. Prints the names only, and what it holds is masked in whatever this process says."""

    __slots__ = ("_app", "_values")

    def __init__(self, values: Mapping[str, str], *, app: str) -> None:
        self._values, self._app = dict(values), app
        known.learn(*self._values.values())

    def __getitem__(self, name: str) -> str:
        try:
            return self._values[name]
        except KeyError:
            pass
        raise MissingSecret(f'{self._app} has no credential "{name}": an administrator adds it under Credentials.')

    @overload
    def get(self, name: str, /) -> str | None: ...
    @overload
    def get(self, name: str, /, default: str) -> str: ...
    @overload
    def get(self, name: str, /, default: T) -> str | T: ...
    def get(self, name: str, /, default: object = None) -> object:
        """The value, or `default`."""
        return self._values.get(name, default)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"<secrets: {', '.join(self._values) or 'none'}>"
