"""From an app code to the code that runs."""

from __future__ import annotations

import importlib
import inspect
import ipaddress
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from collectors.contract import Context, Ending, Outcome
from collectors.identity import AppInfo, app_info
from collectors.mishaps import IMPORT_ERRORS, BrokenRoom, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import BaseModel

    from collectors.toolkit.politeness.pauses import Pause


class SourceError(Exception):
    """A source cannot be run; the message says why, in a sentence."""


class SourceNotFound(SourceError):
    """No room with this code."""


class SourceIsBroken(SourceError):
    """The room is there, its main.py cannot be used."""


@dataclass(frozen=True, slots=True)
class Source:
    """A loaded source: `run(context)` runs it."""

    info: AppInfo
    args_model: type[BaseModel] | None
    run: Callable[[Context], Outcome]
    allowed_networks: tuple[str, ...] = ()
    """Networks that are not public and that the source says it visits."""
    pause: Pause | None = None
    """Between two requests to a site; None: the source says nothing of it."""
    obeys_robots: bool = True


def get_app_info(file: str | Path) -> AppInfo:
    """The identity of the room that `file` lies in: `get_app_info(__file__)`.

    The room is the folder of the file, or the nearest folder above it that holds a `main.py`.
    """
    folder = Path(file).resolve()
    if not folder.is_dir():
        folder = folder.parent
    for candidate in (folder, *folder.parents):
        if (candidate / "main.py").is_file():
            folder = candidate
            break
    return app_info(*folder.parts[-3:])


def load_source(info: AppInfo) -> Source:
    """Import the `main.py` of a room. Raises `SourceNotFound` and `SourceIsBroken`."""
    package = f"collectors.sources.{info.code}"
    name = f"{package}.main"
    room = sys.modules.get(package)
    if isinstance(room, BrokenRoom):
        raise SourceIsBroken(f"The source {info.code} cannot be used. {room.problem}")
    try:
        module = importlib.import_module(name)
    except IMPORT_ERRORS as error:
        # The room or its main.py is missing, unless what is missing is something that its code asks for.
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise SourceNotFound(f"There is no source {info.code}: its folder or its main.py is missing.") from None
        raise SourceIsBroken(f"The source {info.code} cannot be imported: {told(error, _folder(info))}") from error
    return _source_in(module, info)


def _folder(info: AppInfo) -> Path:
    roots = importlib.import_module("collectors.sources").__path__
    folders = [Path(root, info.group, info.parent, info.app) for root in roots]
    return next((folder for folder in folders if folder.is_dir()), folders[0])


def _source_in(module: ModuleType, info: AppInfo) -> Source:
    collector = _collector_in(module, info)
    main = vars(module).get("main")
    if collector is not None:
        return Source(
            info, _args_model(collector, info), lambda context: collector(context).run(), *_habits(collector, info)
        )
    if inspect.iscoroutinefunction(main):
        raise SourceIsBroken(f"The main(context) of {info.code} is async: write a subclass of AsyncScraper instead.")
    if callable(main):
        run = lambda context: _outcome(main(context), context, info)  # noqa: E731
        return Source(info, _args_model(module, info), run, *_habits(module, info))
    raise SourceIsBroken(
        f"The main.py of {info.code} defines nothing to run: write a subclass of BaseScraper, or main(context)."
    )


def _collector_in(module: ModuleType, info: AppInfo) -> Any:
    classes = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and value.__module__ == module.__name__ and callable(getattr(value, "run", None))
    ]
    # A subclass of another class in the same file is the one that is meant.
    classes = [c for c in classes if not any(other is not c and issubclass(other, c) for other in classes)]
    if len(classes) > 1:
        names = ", ".join(c.__name__ for c in classes)
        raise SourceIsBroken(f"The main.py of {info.code} defines more than one collector: {names}. Keep one.")
    return classes[0] if classes else None


def _args_model(owner: Any, info: AppInfo) -> type[BaseModel] | None:
    from pydantic import BaseModel

    args = getattr(owner, "Args", None)
    if args is None or (isinstance(args, type) and issubclass(args, BaseModel)):
        return args
    raise SourceIsBroken(f"The Args of {info.code} must be a class derived from pydantic.BaseModel.")


def _allowed_networks(owner: Any, info: AppInfo) -> tuple[str, ...]:
    names = getattr(owner, "allowed_networks", ())
    try:
        return tuple(str(ipaddress.ip_network(name, strict=False)) for name in names)
    except (TypeError, ValueError):
        raise SourceIsBroken(
            f'The allowed_networks of {info.code} must be a tuple of networks such as ("10.1.0.0/16", "127.0.0.1").'
        ) from None


def _habits(owner: Any, info: AppInfo) -> tuple[tuple[str, ...], Pause | None, bool]:
    """How it fetches: where it may go, how long it pauses, and whether it obeys robots.txt."""
    from collectors.toolkit.politeness.pauses import Pause

    said = getattr(owner, "delay_s", None)
    try:
        pause = None if said is None else Pause.of(said)
    except ValueError as error:
        raise SourceIsBroken(f"The delay_s of {info.code} cannot be used. {error}") from None
    return _allowed_networks(owner, info), pause, bool(getattr(owner, "obey_robots", True))


def _outcome(result: Any, context: Context, info: AppInfo) -> Outcome:
    if result is None and context.stop_requested:
        # It was asked to stop and says nothing else: nobody knows whether it saw all there is to see.
        return Outcome(ending=Ending.STOPPED, complete=False)
    if result is None:
        return Outcome()
    if isinstance(result, Outcome):
        return result
    raise SourceIsBroken(
        f"The main(context) of {info.code} returned a {type(result).__name__}: return an Outcome, or nothing."
    )
