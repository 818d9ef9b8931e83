"""Looking a host up, in time: the resolver of the C library knows no timeout of ours."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading


def resolve(host: str, port: int, *, timeout_s: float | None) -> list[str]:
    """The addresses of `host`, in the order to try them. Raises `OSError`, `TimeoutError` among them."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
    # A daemon, so that a name server that never answers keeps no run from ending.
    threading.Thread(target=_ask, args=(host, port, answers), name="lookup", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise TimeoutError(f"no name server told the address of {host} in time") from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _ask(host: str, port: int, answers: queue.SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        answers.put(socket.gaierror(socket.EAI_NONAME, "that is no name of a host"))
    except OSError as error:
        answers.put(error)
    else:
        answers.put(list(dict.fromkeys(str(info[4][0]) for info in found)))
