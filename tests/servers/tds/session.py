"""One client: signing in, then requests until it hangs up."""

from __future__ import annotations

import itertools
import socket
import ssl
from typing import TYPE_CHECKING

from tests.servers.tds import wire
from tests.servers.tds.running import Refused, Runner

if TYPE_CHECKING:
    from tests.servers.tds.server import Standin

TRANSACTIONS = {5: "begin", 7: "commit", 8: "rollback", 9: "save"}


class Session:
    """A connection, and the statements that it has prepared."""

    def __init__(self, line: socket.socket, standin: Standin, number: int) -> None:
        self.line: socket.socket | ssl.SSLSocket = line
        self.standin, self.number = standin, number
        self.tunnel: Tunnel | None = None
        self.prepared: dict[int, str] = {}
        self.handles = itertools.count(1)
        self.runner: Runner

    def run(self) -> None:
        kind, data = wire.read_message(self.line.recv)
        if kind != wire.PRELOGIN:
            return
        wanted = wire.wants_encryption(data)
        encryption = wire.ENCRYPT_NOT_SUPPORTED if self.standin.tls is None else wire.ENCRYPT_REQUIRED
        self._say(wire.prelogin_reply(encryption))
        if self.standin.tls is None and wanted in (wire.ENCRYPT_ON, wire.ENCRYPT_REQUIRED):
            return
        if self.standin.tls is not None:
            self.tunnel = Tunnel(self.line, self.standin.tls)
        _, data = wire.read_message(self._receive)
        if not self._signed_in(wire.Login.parse(data)):
            return
        try:
            while True:
                self._answer(*wire.read_message(self._receive))
        finally:
            self.runner.close()

    def _signed_in(self, login: wire.Login) -> bool:
        if login.is_integrated or self.standin.users.get(login.user) != login.password:
            refused = wire.error(18456, f"Login failed for user '{login.user}'.", 14)
            self._say(refused + wire.done(wire.FAILED))
            return False
        database = login.database or "master"
        if database not in self.standin.databases:
            said = f'Cannot open database "{database}" requested by the login. The login failed.'
            refused = wire.error(4060, said, 11) + wire.error(18456, f"Login failed for user '{login.user}'.", 14)
            self._say(refused + wire.done(wire.FAILED))
            return False
        self.runner = Runner(self.standin, database, session=self, is_encrypted=self.tunnel is not None)
        self._say(wire.login_acknowledged(database) + wire.done(0))
        return True

    def _answer(self, kind: int, data: bytes) -> None:
        if kind == wire.BATCH:
            self._say(self._batch(wire.without_headers(data).decode("utf-16-le")))
        elif kind == wire.RPC:
            found = list(wire.calls(data))
            said = [self._call(call, is_last=call is found[-1]) for call in found]
            self._say(b"".join(said))
        elif kind == wire.TRANSACTION:
            self._say(self._transaction(wire.without_headers(data)))
        else:
            self._say(wire.done(wire.ATTENDED))

    def _batch(self, text: str) -> bytes:
        try:
            answers = list(self.runner.run(text, {}))
        except Refused as refused:
            return refused.tokens + wire.done(wire.FAILED)
        said = b"".join(answer.tokens(wire.MORE if answer is not answers[-1] else 0, 0xFD) for answer in answers)
        return said or wire.done(0)

    def _transaction(self, data: bytes) -> bytes:
        kind = TRANSACTIONS[int.from_bytes(data[:2], "little")]
        name = data[3 : 3 + data[2]].decode("utf-16-le") if kind == "save" else ""
        try:
            said = self.runner.control(kind, name)
            # One flag asks for the next transaction in the same breath.
            if kind in ("commit", "rollback") and data[3 + data[2]] & 1:
                said += self.runner.control("begin")
            return said + wire.done(0)
        except Refused as refused:
            return refused.tokens + wire.done(wire.FAILED)

    def _call(self, call: wire.Call, *, is_last: bool) -> bytes:
        more = 0 if is_last else wire.MORE
        handle, ahead = 0, b""
        params = list(call.params)
        if call.name in ("sp_prepare", "sp_prepexec"):
            handle = next(self.handles)
            self.prepared[handle] = str(params[2][1])
            ahead = wire.returned(0, params[0][0], handle)
            text, arguments = self.prepared[handle], params[3:]
        elif call.name == "sp_execute":
            text, arguments = self.prepared[int(params[0][1])], params[1:]
        elif call.name == "sp_executesql":
            text, arguments = str(params[0][1]), params[2:]
        elif call.name == "sp_unprepare":
            self.prepared.pop(int(params[0][1]), None)
            return wire.status(0) + wire.done(more, kind=0xFE)
        else:
            return wire.error(2812, f"Could not find stored procedure '{call.name}'.") + wire.done(
                wire.FAILED | more, kind=0xFE
            )
        if call.name == "sp_prepare":
            return wire.status(0) + ahead + wire.done(more, kind=0xFE)
        return self._executed(text, arguments, ahead, more)

    def _executed(self, text: str, arguments: list[tuple[str, object]], ahead: bytes, more: int) -> bytes:
        named = {name.lstrip("@") or f"P{at}": value for at, (name, value) in enumerate(arguments, 1)}
        try:
            said = b"".join(answer.tokens(wire.MORE, 0xFF) for answer in self.runner.run(text, named))
        except Refused as refused:
            return refused.tokens + wire.done(wire.FAILED | more, kind=0xFE)
        return said + wire.status(0) + ahead + wire.done(more, kind=0xFE)

    def _receive(self, size: int) -> bytes:
        return self.tunnel.receive(size) if self.tunnel else self.line.recv(size)

    def _say(self, payload: bytes) -> None:
        data = b"".join(wire.packets(wire.REPLY, payload))
        self.tunnel.send(data) if self.tunnel else self.line.sendall(data)


class Tunnel:
    """TLS whose handshake is wrapped in packets of TDS."""

    def __init__(self, line: socket.socket, context: ssl.SSLContext) -> None:
        self.line = line
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush()
                self.incoming.write(wire.read_message(line.recv)[1])
        self._flush()

    def _flush(self) -> None:
        if self.outgoing.pending:
            self.line.sendall(b"".join(wire.packets(wire.PRELOGIN, self.outgoing.read())))

    def receive(self, size: int) -> bytes:
        while True:
            try:
                return self.tls.read(size)
            except ssl.SSLWantReadError:
                data = self.line.recv(65536)
                if not data:
                    raise wire.HungUp from None
                self.incoming.write(data)

    def send(self, data: bytes) -> None:
        self.tls.write(data)
        self.line.sendall(self.outgoing.read())
