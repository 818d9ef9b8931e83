"""What an engine has to say about a connection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from django.db.backends.utils import CursorWrapper

    from apps.databases.models import Connection

#: Seconds until a server that does not answer counts as away.
CONNECT_TIMEOUT_S = 5

#: Every engine by its name in a row.
CONNECTORS: dict[str, type[BaseDBConnector]] = {}


@dataclass(frozen=True, slots=True)
class Found:
    """What a test has found."""

    version: str
    can_write: bool
    is_encrypted: bool | None = None
    """None where there is no line to encrypt."""

    @property
    def sentence(self) -> str:
        """One sentence for people."""
        line = {True: ", encrypted", False: ", not encrypted", None: ""}[self.is_encrypted]
        return f"{self.version}{line}; {'tables can be made.' if self.can_write else 'it can only be read.'}"


class BaseDBConnector(ABC):
    """An engine. A subclass that names `engine` is known from then on."""

    #: The name of the engine in a row, and for people.
    engine: ClassVar[str] = ""
    title: ClassVar[str] = ""
    django_engine: ClassVar[str] = ""
    #: What `Connection.options` may hold.
    allowed_options: ClassVar[frozenset[str]] = frozenset()
    needs_host: ClassVar[bool] = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if cls.engine:
            CONNECTORS[cls.engine] = cls

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    # -- For subclasses -----------------------------------------------------------------------------------------------

    @abstractmethod
    def driver_options(self) -> dict[str, Any]:
        """OPTIONS of the entry, without those of the row."""

    @abstractmethod
    def found(self, cursor: CursorWrapper) -> Found:
        """Look at a database that answered. Raises `django.db.DatabaseError`."""

    @abstractmethod
    def reason(self, said: str, code: str) -> str:
        """A sentence for an error with this text and code of the driver; "" when it is not known."""

    # -- The same for all ---------------------------------------------------------------------------------------------

    def problems(self) -> dict[str, str]:
        """What is wrong with the row itself, by field."""
        row, found = self.connection, {}
        if self.needs_host and not row.host:
            found["host"] = f"{self.title} needs a host."
        if not isinstance(row.options, dict):
            found["options"] = 'Write an object, as in {"name": "value"}.'
        elif unknown := sorted(set(row.options) - self.allowed_options):
            allowed = ", ".join(sorted(self.allowed_options))
            found["options"] = f"{self.title} takes {allowed}; not {', '.join(unknown)}."
        if row.ca_file and not Path(row.ca_file).is_absolute():
            found["ca_file"] = "Write an absolute path."
        return found

    def django_settings(self) -> dict[str, Any]:
        """The entry for Django's DATABASES."""
        row = self.connection
        has_password = row.auth == row.Auth.PASSWORD
        return {
            "ENGINE": self.django_engine,
            "NAME": row.name,
            "HOST": row.host,
            "PORT": str(row.port or ""),
            "USER": row.user,
            "PASSWORD": row.password if has_password else "",
            "OPTIONS": self.driver_options() | row.options,
        }

    def explain(self, error: BaseException) -> str:
        """One sentence that says what to do about an error of this connection; no password is in it."""
        code = next((str(one) for one in _codes(error) if one), "")
        text = str(error).strip()
        sentence = self.reason(text, code) or text.partition("\n")[0] or type(error).__name__
        password = self.connection.password
        return sentence.replace(password, "******") if password else sentence

    @property
    def place(self) -> str:
        """Host and port, as people write them."""
        row = self.connection
        return f"{row.host}:{row.port}" if row.port else row.host


def _codes(error: BaseException | None) -> Iterable[Any]:
    while error is not None:
        yield getattr(error, "sqlstate", None)
        error = error.__cause__


def connector_of(connection: Connection) -> BaseDBConnector:
    """The engine of a row. Raises `ValueError` for one that is not known here."""
    try:
        return CONNECTORS[connection.engine](connection)
    except KeyError:
        raise ValueError(
            f'Connection "{connection.alias}" has the engine "{connection.engine}", which is not known here.'
        ) from None
