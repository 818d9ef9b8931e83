"""The options of a request, read once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

#: What httpx makes a request from.
_OF_HTTPX = ("params", "headers", "cookies", "content", "data", "files", "json")


@dataclass(slots=True, kw_only=True)
class Call:
    """One request as its author wrote it."""

    method: str
    url: str
    accept: Collection[int] = ()
    retry: bool | None = None
    """Whether it may be sent again; None: if its method is idempotent."""
    timeout_s: float | None = None
    follow_redirects: bool = True
    auth: httpx.Auth | None = None
    sink: Callable[[bytes], object] | None = None
    rewind: Callable[[], object] | None = None
    """Called before another attempt, so that the sink can begin anew."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What httpx makes a request from."""


def as_call(method: str, url: str, options: dict[str, Any]) -> Call:
    """The call that these options describe. Raises `TypeError` that names one that is unknown."""
    if not options:
        return Call(method=method.upper(), url=url)
    content = {name: options.pop(name) for name in _OF_HTTPX if options.get(name) is not None}
    auth = options.pop("auth", None)
    call = Call(
        method=method.upper(),
        url=url,
        accept=options.pop("accept", ()),
        retry=options.pop("retry", None),
        timeout_s=options.pop("timeout", None),
        follow_redirects=options.pop("follow_redirects", True),
        auth=httpx.BasicAuth(*auth) if isinstance(auth, tuple) else auth,
        sink=options.pop("sink", None),
        rewind=options.pop("rewind", None),
        content=content,
    )
    unknown = [name for name in options if name not in _OF_HTTPX]
    if unknown:
        raise TypeError(f"There is no option {unknown[0]!r} for a request.")
    if call.timeout_s is not None and not isinstance(call.timeout_s, int | float):
        raise TypeError("The timeout of a request is a number of seconds: the longest silence.")
    return call
