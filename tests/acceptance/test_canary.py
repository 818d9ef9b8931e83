"""A secret of every kind is planted, said in every way by a source that is careless, and found nowhere in the clear.

Each place is seen to hold a control word that stood beside the secrets: the search does find what is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from apps.core.encryption.keys import Key
from apps.credentials.models import Credential
from apps.notifications.models import Channel, Delivery
from apps.runtime.journals import journal_root
from apps.runtime.models import Runtime, State
from config.secret_loader import SecretLoader
from tests.acceptance.conftest import Manage, wait_for
from tests.integration.factories import make_app, make_run
from tests.integration.people import signed_in
from tests.servers.hook import Hook, hook

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

APP = "trial.odd.leaky"
CONTROL = "control-word"
#: What no escaping changes: whatever spelling of a secret is said, this is in it.
CORES = ("c4n4ryLOGIN", "c4n4ryPEMKEY", "c4n4ryCHANNEL", "c4n4rySECRETKEY", "c4n4rySPLUNK", "c4n4ryPASSPHRASE")
LOGIN = 'c4n4ryLOGIN "quoted" \\ ä/%'
PEM = "-----BEGIN PRIVATE KEY-----\nMIIc4n4ryPEMKEYone==\nMIIc4n4ryPEMKEYtwo==\n-----END PRIVATE KEY-----\n"
CHANNEL = "c4n4ryCHANNEL-of-a-hook"
PASSPHRASE = "c4n4ryPASSPHRASE of the file"
RING = Key(b"canary of a key ring, 32 bytes..")


class Search:
    """Everything that was looked at, and what of it held a secret."""

    def __init__(self) -> None:
        self.seen_control: set[str] = set()
        self.found: list[str] = []

    def look(self, place: str, text: str | bytes) -> None:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
        if CONTROL.encode() in data:
            self.seen_control.add(place.partition(" ")[0])
        self.found += [f"{word} in {place}" for word in (*CORES, RING.as_text()) if word.encode() in data]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """The secrets of the installation are in an encrypted file."""
    lines = f"DC_SECRET_KEY=c4n4rySECRETKEY{'x' * 50}\nDC_SPLUNK_TOKEN=c4n4rySPLUNK\nDC_SECRETS_KEYS={RING.as_text()}\n"
    SecretLoader(tmp_path / "settings.enc").write(lines, PASSPHRASE, n=16)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    return {
        "DC_SECRETS_PATH": str(tmp_path / "settings.enc"),
        "DC_SECRETS_PASSPHRASE_FILE": str(tmp_path / "passphrase"),
    }


@pytest.fixture
def server() -> Iterator[Hook]:
    with hook() as running:
        yield running


def test_no_secret_is_found_in_the_clear_anywhere(
    manage: Manage,
    finish: Callable[..., tuple[int, str]],
    env: dict[str, str],
    server: Hook,
    tmp_path: Path,
    settings: Any,
) -> None:
    settings.DC_SECRETS_KEYS = RING.as_text()
    go, search = tmp_path / "go", Search()
    args = {"prints": True, "go": str(go)}
    app = make_app(APP, is_enabled=True, max_parallel=2, args=args, disable_after=0)
    Credential.objects.create(app=app, name="login", value=LOGIN)
    Credential.objects.create(app=app, name="private_key", value=PEM)
    Channel.objects.create(name="hook", service="WEBHOOK", url=server.url, secret=CHANNEL, is_private_allowed=True)
    warm = make_run(app)
    make_app(APP, warm_start=False)
    manager = manage("manager", DC_RUN_SLOTS="2", **env)
    wait_for(lambda: Runtime.objects.filter(pk=warm.pk, state=State.RUNNING).exists(), seconds=120)
    cold = make_run(app)
    runs = [warm, cold]
    wait_for(lambda: all(run.logs.filter(message="leaky.waiting").exists() for run in runs), seconds=120)

    look_at_processes(search, cold)
    go.touch()
    wait_for(lambda: not Runtime.objects.filter(ended_at__isnull=True).exists(), seconds=120)
    wait_for(lambda: Delivery.objects.filter(state=Delivery.State.SENT).exists(), seconds=120)
    manager.terminate()
    output, _ = manager.communicate(timeout=60)
    search.look("output of the manager", output)
    code, said = finish("runcollector", APP, "--verbosity", "2", "--arg", "prints=false", **env)
    search.look("terminal of a run by hand", said)
    for words in (["config"], ["config", "--json"], ["secrets", "check"]):
        search.look(f"command {' '.join(words)}", finish(*words, **env)[1])

    look_at_files(search)
    look_at_tables(search)
    look_at_pages(search, list(Runtime.objects.all()))
    for number, post in enumerate(server.posts):
        search.look(f"message {number}", repr(post))

    assert sorted(set(search.found)) == []
    assert code == 1
    assert search.seen_control >= {"terminal", "journal", "table", "page", "message"}
    assert {run.state for run in Runtime.objects.all()} == {State.FAILED}
    assert {run.cause for run in Runtime.objects.all()} == {
        "RuntimeError: control-word, refused with ****** and ******"
    }
    assert Runtime.objects.count() == 3


def look_at_processes(search: Search, cold: Runtime) -> None:
    """Command lines and environments of every process that can be looked at, and the stdin of the cold collector."""
    stdin = ""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            search.look(f"process {folder.name}", command + (folder / "environ").read_bytes())
            if cold.pk.encode() in command:
                stdin = str((folder / "fd" / "0").readlink())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it has ended, or is not ours
    assert stdin == os.devnull  # it held the secrets, and is what programs of a source inherit


def look_at_files(search: Search) -> None:
    """Everything below the data folder: journals, and on SQLite the databases with what they have deleted."""
    for path in journal_root().parent.rglob("*"):
        if path.is_file():
            search.look(f"{'journal' if path.suffix == '.journal' else 'file'} {path.name}", path.read_bytes())


def look_at_tables(search: Search) -> None:
    for alias in connections:
        connection = connections[alias]
        with connection.cursor() as cursor:
            for table in connection.introspection.table_names(cursor):
                cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")  # noqa: S608
                for row in cursor.fetchall():
                    search.look(f"table {table}", repr(row))


def look_at_pages(search: Search, runs: list[Runtime]) -> None:
    client = signed_in("superuser")
    admin = ["registry/app", "runtime/runtime", "runtime/command", "runtime/appfunction", "runtime/functionlog"]
    admin += ["logs/log", "logs/errorgroup", "notifications/channel", "notifications/delivery"]
    addresses = ["/admin/", "/admin/live/", *(f"/admin/{page}/" for page in admin), "/admin/credentials/credential/"]
    objects: list[Any] = [*Credential.objects.all(), *Channel.objects.all(), *Delivery.objects.all(), *runs]
    for one in objects:
        address = f"/admin/{one._meta.app_label}/{one._meta.model_name}/{one.pk}/"
        addresses += [f"{address}change/", f"{address}history/"]
    for run in runs:
        log = f"/admin/runtime/runtime/{run.pk}/log/"
        addresses += [log, f"{log}lines/", f"{log}download/?form=text", f"{log}download/?form=jsonl"]
    for address in addresses:
        response: Any = client.get(address)
        assert response.status_code == 200, address
        body = b"".join(response.streaming_content) if response.streaming else response.content
        search.look(f"page {address}", body)
