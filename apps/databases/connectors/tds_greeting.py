"""The first words with a SQL Server, spoken by us: drivers wait for ever, or do not say what is wrong.

The protocol: https://learn.microsoft.com/openspecs/windows_protocols/ms-tds, PRELOGIN. TLS is negotiated inside of
packets of the same kind.
"""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass

PORT = 1433
_PRELOGIN, _LAST, _HEADER = 18, 1, 8
_VERSION, _ENCRYPTION, _END = 0, 1, 0xFF
_ON, _NOT_SUPPORTED = 1, 2

#: By the codes of OpenSSL.
_CERTIFICATE_ERRORS = {
    9: "The certificate of {} is not valid yet.",
    10: "The certificate of {} has expired.",
    62: "The certificate of {} is for another host.",
    64: "The certificate of {} is for another host.",
}
_UNTRUSTED = "The certificate of {} is not from an authority trusted here."


class NotGreeted(Exception):
    """Nobody is there who could be signed in at; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is."""

    host: str
    port: int | None = None

    @property
    def is_plain(self) -> bool:
        """Whether host and port say it all: `host\\instance` is looked up by the driver."""
        return not set(self.host) & set("\\,:") or self.host.count(":") > 1

    def __str__(self) -> str:
        return f"{self.host}:{self.port}" if self.port else self.host


def greet(place: Place, timeout_s: float, trusted: ssl.SSLContext | None = None) -> None:
    """Raise `NotGreeted` unless a SQL Server answers in time; with `trusted`, unless its certificate is."""
    try:
        with socket.create_connection((place.host, place.port or PORT), timeout_s) as line:
            line.sendall(_packet(_first_words()))
            encryption = _encryption(_received(line))
            if trusted is None:
                return
            if encryption == _NOT_SUPPORTED:
                raise NotGreeted(f"{place} offers no TLS.")
            _shake_hands(line, trusted, place.host)
    except socket.gaierror:
        raise NotGreeted(f'There is no host "{place.host}".') from None
    except ConnectionRefusedError:
        raise NotGreeted(f"Nobody answers at {place}.") from None
    except TimeoutError:
        raise NotGreeted(f"{place} did not answer in time.") from None
    except ssl.SSLCertVerificationError as error:
        raise NotGreeted(_CERTIFICATE_ERRORS.get(error.verify_code, _UNTRUSTED).format(place)) from None
    except (struct.error, IndexError):
        raise NotGreeted(f"{place} answers, but is no SQL Server.") from None
    except OSError as error:
        raise NotGreeted(f"{place} cannot be reached: {error.strerror or error}.") from None


def _first_words() -> bytes:
    body = bytes(6) + bytes([_ON])
    head = struct.pack(">BHH", _VERSION, 11, 6) + struct.pack(">BHH", _ENCRYPTION, 17, 1) + bytes([_END])
    return head + body


def _packet(payload: bytes) -> bytes:
    return struct.pack(">BBHHBB", _PRELOGIN, _LAST, len(payload) + _HEADER, 0, 1, 0) + payload


def _received(line: socket.socket) -> bytes:
    _, _, length = struct.unpack(">BBH", _exactly(line, _HEADER)[:4])
    return _exactly(line, length - _HEADER)


def _exactly(line: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += (part := line.recv(size - len(data)))
        if not part:
            raise IndexError  # it hung up in the middle of what should be an answer
    return data


def _encryption(answer: bytes) -> int:
    at = 0
    while answer[at] != _END:
        option, offset, _ = struct.unpack_from(">BHH", answer, at)
        if option == _ENCRYPTION:
            return int(answer[offset])
        at += 5
    raise IndexError


def _shake_hands(line: socket.socket, trusted: ssl.SSLContext, host: str) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = trusted.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            line.sendall(_packet(outgoing.read()))
            incoming.write(_received(line))
        else:
            return
