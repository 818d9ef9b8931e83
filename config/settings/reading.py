"""Where raw values come from: the environment and `.env`, each as `DC_NAME` or as `DC_NAME_FILE`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dotenv.parser import parse_stream

from config.errors import SettingsError

BASE_DIR = Path(__file__).resolve().parent.parent.parent
PREFIX = "DC_"
FILE = "_FILE"


@dataclass(frozen=True, slots=True)
class Layer:
    """One place where values are looked for."""

    origin: str
    values: Mapping[str, str]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Names and values of our own variables. An empty value counts as not set."""
        return ((name, value) for name, value in self.values.items() if name.startswith(PREFIX) and value.strip())


@dataclass(frozen=True, slots=True)
class Found:
    """A raw value and where it was found."""

    value: str = field(repr=False)
    origin: str
    file: Path | None = None
    """The file that `DC_NAME_FILE` named."""


def env_file_layer(path: Path) -> Layer:
    """The layer of a `.env` file; without the file it is empty. Raises `SettingsError` when it cannot be read."""
    origin = path.name
    if not path.exists():
        return Layer(origin, {})
    values: dict[str, str] = {}
    try:
        with path.open(encoding="utf-8") as stream:
            for binding in parse_stream(stream):
                if binding.error:
                    raise SettingsError(f"{origin}: line {binding.original.line} is not of the form NAME=value.")
                if binding.key is not None:
                    values[binding.key] = binding.value or ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{origin}: cannot be read: {_reason(error)}.") from None
    return Layer(origin, values)


def look_up(
    layers: Collection[Layer], known: Collection[str], secret: Collection[str]
) -> tuple[dict[str, Found], list[str]]:
    """The raw value of every known variable that is set, and what is wrong with the files that should hold them."""
    found: dict[str, Found] = {}
    problems: list[str] = []
    for layer in layers:
        names = dict(layer)
        for name in known:
            named_file = names.get(f"{name}{FILE}")
            if name in found:
                continue
            if name in names and named_file:
                problems.append(f"{name}: set twice (from {layer.origin}), also as {name}{FILE}; remove one of them.")
            elif name in names:
                found[name] = Found(names[name], layer.origin)
            elif named_file:
                path = BASE_DIR / Path(named_file).expanduser()
                try:
                    found[name] = Found(_content(path), f"{layer.origin}, file {path}", path)
                except _Unreadable as error:
                    # People paste the secret itself where its file is asked for: then the "path" is the secret.
                    shown = "the file it names" if name in secret else str(path)
                    problems.append(f"{name}{FILE}: cannot use {shown}: {error} (from {layer.origin}).")
    return found, problems


class _Unreadable(Exception):
    """The file of a value cannot be used; the message is the reason."""


def _content(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise _Unreadable(_reason(error)) from None
    if not text:
        raise _Unreadable("the file is empty")
    return text


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or "it cannot be opened").lower()
    return "it is not UTF-8 text"
