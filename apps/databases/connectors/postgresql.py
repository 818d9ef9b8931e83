"""PostgreSQL."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import TYPE_CHECKING, Any

from apps.databases.connectors.base import CONNECT_TIMEOUT_S, BaseDBConnector, Found

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

_SSL_MODES = {"PREFER": "prefer", "REQUIRE": "require", "VERIFY": "verify-full"}

#: A server behind a network that swallows packets is noticed within seconds (config/settings/databases.py).
_ALIVE = {"tcp_user_timeout": 10_000, "keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}

#: What a client says first when it wants TLS.
_TLS_REQUEST = struct.pack("!ii", 8, 80877103)

_UNTRUSTED = "The certificate of {place} is not from an authority trusted here."
#: By the codes of OpenSSL.
_CERTIFICATE_ERRORS = {
    9: "The certificate of {place} is not valid yet.",
    10: "The certificate of {place} has expired.",
    62: "The certificate of {place} is for another host.",
    64: "The certificate of {place} is for another host.",
}


class PostgresConnector(BaseDBConnector):
    engine = "postgresql"
    title = "PostgreSQL"
    django_engine = "django.db.backends.postgresql"
    allowed_options = frozenset(
        {"application_name", "channel_binding", "connect_timeout", "gssencmode", "krbsrvname", "sslcert", "sslkey"}
        | {"target_session_attrs"}
    )

    def driver_options(self) -> dict[str, Any]:
        row = self.connection
        options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_S, "sslmode": _SSL_MODES[row.tls], **_ALIVE}
        if row.tls == row.Tls.VERIFY:
            options["sslrootcert"] = row.ca_file or "system"
        if row.is_read_only:
            options["options"] = "-c default_transaction_read_only=on"
        return options

    def found(self, cursor: CursorWrapper) -> Found:
        cursor.execute(
            "SELECT current_setting('server_version'), current_setting('transaction_read_only') = 'on',"
            " has_database_privilege(current_database(), 'CREATE'),"
            " (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
        )
        version, is_read_only, may_create, is_encrypted = cursor.fetchone()
        # Tables are made in a schema: whoever may not make schemas may still make tables in one of the search path.
        cursor.execute(
            "SELECT count(*) FROM unnest(current_schemas(false)) AS name WHERE has_schema_privilege(name, 'CREATE')"
        )
        (schemas,) = cursor.fetchone()
        return Found(
            version=f"PostgreSQL {version.split()[0]}",
            can_write=not is_read_only and bool(may_create or schemas),
            is_encrypted=bool(is_encrypted),
        )

    def reason(self, said: str, code: str) -> str:
        row = self.connection
        by_code = {
            "28P01": f'The server refuses user "{row.user}" with this password.',
            "3D000": f'There is no database "{row.name}" on {self.place}.',
            "53300": f"{self.place} has no connection to spare (max_connections).",
            "57P03": f"{self.place} is starting or stopping.",
            "25006": f'Connection "{row.alias}" is read only.',
        }
        # While a connection is made the driver gives no codes.
        by_text = {
            "password authentication failed": by_code["28P01"],
            "no password supplied": f'The server wants a password for user "{row.user}".',
            "pg_hba.conf rejects": f'{self.place} does not let user "{row.user}" in from this machine (pg_hba.conf).',
            "no pg_hba.conf entry": f'{self.place} does not let user "{row.user}" in from this machine (pg_hba.conf).',
            f'database "{row.name}" does not exist': by_code["3D000"],
            "read-only transaction": by_code["25006"],
            "too many clients": by_code["53300"],
            "the database system is": by_code["57P03"],
            "Connection refused": f"Nobody answers at {self.place}.",
            "timeout": f"{self.place} did not answer in time.",
            "resolve host": f'There is no host "{row.host}".',
            "translate host name": f'There is no host "{row.host}".',
            "Name or service not known": f'There is no host "{row.host}".',
            "No such file or directory": f"Nobody answers at {self.place}.",
            "server does not support SSL": f"{self.place} offers no TLS.",
        }
        if "certificate" in said:
            return self._wrong_certificate()
        return by_code.get(code) or next((sentence for text, sentence in by_text.items() if text in said), "")

    def _wrong_certificate(self) -> str:
        """What is wrong with the certificate of the server: the driver only says that something is."""
        row = self.connection
        try:
            context = ssl.create_default_context(cafile=row.ca_file or None)
            with socket.create_connection((row.host, row.port or 5432), CONNECT_TIMEOUT_S) as line:
                line.sendall(_TLS_REQUEST)
                line.recv(1)
                context.wrap_socket(line, server_hostname=row.host).close()
        except ssl.SSLCertVerificationError as error:
            return _CERTIFICATE_ERRORS.get(error.verify_code, _UNTRUSTED).format(place=self.place)
        except OSError:
            pass
        return _UNTRUSTED.format(place=self.place)
