"""`manage.py startcollector`, as somebody uses it: in a project of their own, down to the first run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apps.registry import scaffolding
from apps.registry.scaffolding import KINDS, CannotStart, start_collector
from collectors.discovery import HOME
from tests.architecture.project import CODE, copy_of
from tests.services import databases

SCAFFOLD = Path(scaffolding.__file__).parent / "scaffold"
GROUP = ("scaffolded", "shop")


def run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command in the copied project, with the embedded profile and a data folder there."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("DC_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, *command],
        cwd=project,
        env={**outer, "DC_DATA_DIR": str(project / "var"), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )


def room(project: Path, kind: str) -> Path:
    return project.joinpath("collectors", "sources", *GROUP, f"{kind}_prices")


@pytest.fixture(scope="module")
def outputs() -> dict[str, str]:
    """Kind -> what startcollector printed; filled by `project`."""
    return {}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, outputs: dict[str, str], django_db_setup: None) -> Path:
    """A copy of this project, with a room of each kind."""
    names = (*CODE, "tests", "templates", "static", "conftest.py", "manage.py", "pyproject.toml", ".importlinter")
    copied = copy_of(tmp_path_factory.mktemp("project"), *names)
    databases.give(copied / "var")
    for kind in KINDS:
        done = run(copied, "manage.py", "startcollector", *GROUP, f"{kind}_prices", f"--kind={kind}")
        assert done.returncode == 0, done.stderr
        outputs[kind] = done.stdout
    return copied


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The recorded pages of the scaffold, served."""
    root = tmp_path_factory.mktemp("site")
    for number in (1, 2):
        folder = root / "books" / str(number)
        folder.mkdir(parents=True)
        (folder / "index.html").write_bytes((SCAFFOLD / f"tests/pages/item-{number}.html").read_bytes())
    (root / "index.html").write_bytes((SCAFFOLD / "tests/pages/list.html").read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Says nothing."""


@pytest.mark.parametrize("kind", KINDS)
def test_it_says_what_to_type_next(project: Path, outputs: dict[str, str], kind: str) -> None:
    code = f"scaffolded.shop.{kind}_prices"

    assert outputs[kind].splitlines() == [
        f"Wrote collectors/sources/scaffolded/shop/{kind}_prices: begin reading at main.py.",
        f"{code} is on the register, disabled.",
        "",
        "Next:",
        f"  {sys.executable} -m pytest collectors/sources/scaffolded/shop/{kind}_prices",
        f"  {sys.executable} manage.py migrate scaffolded_shop_{kind}_prices --database data",
        f"  {sys.executable} manage.py runcollector {code} --limit 3",
        "A platform that is up knows the new source after its next start.",
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_is_complete(project: Path, kind: str) -> None:
    files = {str(path.relative_to(room(project, kind))) for path in room(project, kind).rglob("*.*")}

    assert {path for path in files if "__pycache__" not in path} == {
        "__init__.py",
        "main.py",
        "migrations/0001_initial.py",
        "migrations/__init__.py",
        "models.py",
        "parser.py",
        "tests/pages/item-1.html",
        "tests/pages/item-1.html.rows.json",
        "tests/pages/item-2.html",
        "tests/pages/list.html",
        "tests/recorded/0001-list.answer.json",
        "tests/recorded/0002-item-1.answer.json",
        "tests/recorded/0003-item-2.answer.json",
        "tests/test_contract.py",
        "tests/test_main.py",
        "tests/test_parser.py",
    }


def test_the_rooms_pass_their_own_tests(project: Path) -> None:
    done = run(project, "-m", "pytest", "-q", "-p", "no:cacheprovider", "collectors/sources/scaffolded")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "21 passed" in done.stdout


@pytest.mark.parametrize(("kind", "tool"), [(kind, tool) for kind in KINDS for tool in ("check", "format")])
def test_the_style_is_that_of_the_project(project: Path, kind: str, tool: str) -> None:
    options = ["--check"] if tool == "format" else []

    done = run(project, "-m", "ruff", tool, "--no-cache", *options, str(room(project, kind)))

    assert done.returncode == 0, done.stdout


def test_the_types_and_imports_are_right(project: Path) -> None:
    # mypy reads the whole project anyway, so all three rooms are checked by one run.
    done = run(project, "-m", "mypy", *(str(room(project, kind)) for kind in KINDS))
    assert done.returncode == 0, done.stdout

    lint = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = run(project, "-c", lint, "--no-cache")
    assert "0 broken" in done.stdout, done.stdout


def test_no_migration_is_missing(project: Path) -> None:
    done = run(project, "manage.py", "makemigrations", "--check", "--dry-run")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_room_runs_and_runs_again_without_a_change(project: Path, site: str, kind: str) -> None:
    code, label = f"scaffolded.shop.{kind}_prices", f"scaffolded_shop_{kind}_prices"
    done = run(project, "manage.py", "migrate", label, "--database=data", "--verbosity=0")
    assert done.returncode == 0, done.stderr

    first = run(project, "manage.py", "runcollector", code, "--arg", f"base_url={site}")
    second = run(project, "manage.py", "runcollector", code, "--arg", f"base_url={site}")

    assert (first.returncode, second.returncode) == (0, 0), first.stdout + first.stderr
    assert "inserted 2   archived 0   unchanged 0" in first.stdout
    assert "inserted 0   archived 0   unchanged 2" in second.stdout


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (("examples", "shop", "books"), "exists already; choose another name, or delete it first."),
        (("Shop", "a", "b"), '"Shop" cannot be part of an app code: use small letters'),
        (("shop", "class", "b"), '"class" is a word of the Python language and cannot be imported'),
        (("examples", "debian_python", "docs"), "as those of examples.debian.python_docs; choose another name."),
        (("django", "celery", "beat"), "as those of the platform; choose another name."),
        (("x" * 40, "y" * 40, "z" * 40), "Group, parent and app together may have at most 98 letters"),
    ],
)
def test_it_refuses_and_writes_nothing(names: tuple[str, str, str], complaint: str) -> None:
    before = sorted(HOME.rglob("*"))

    with pytest.raises(CannotStart) as caught:
        start_collector(*names)

    assert complaint in str(caught.value)
    assert [path for path in sorted(HOME.rglob("*")) if "__pycache__" not in path.parts and path not in before] == []


def test_it_refuses_a_folder_in_which_nobody_looks_for_sources(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"Sources are not looked for in .*; use one of "):
        start_collector("shop", "a", "b", into=tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_who_wrote_a_source_stands_in_the_audit(project: Path) -> None:
    written = "AuditEntry.objects.filter(action='app.source_written').values_list('action', 'source')"
    asked = f"from apps.accounts.models import AuditEntry; print(*{written})"
    done = run(project, "manage.py", "shell", "--no-imports", "--command", asked)

    assert done.stdout.strip() == " ".join([str(("app.source_written", "SHELL"))] * len(KINDS)), done.stderr


def test_a_refusal_is_one_line_and_exit_code_2(project: Path) -> None:
    done = run(project, "manage.py", "startcollector", "Shop", "a", "b")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith('CommandError: "Shop" cannot be part of an app code')
    assert len(done.stderr.splitlines()) == 1


def test_a_room_can_be_written_into_a_folder_of_ones_own(project: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    environment |= {"DC_DATA_DIR": str(project / "var"), "DC_SOURCES_PATH": str(tmp_path)}

    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words], cwd=project, env=environment, capture_output=True, text=True, timeout=60
        )

    done = manage("manage.py", "startcollector", "examples", "shop", "own", "--into", str(tmp_path))

    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["examples"]
    command = next(line.strip() for line in done.stdout.splitlines() if "-m pytest" in line)
    tested = subprocess.run(
        command.replace("DC_PROFILE=test ", "").split(),
        cwd=project,
        env={**environment, "DC_PROFILE": "test"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert tested.returncode == 0, tested.stdout


def test_without_a_database_the_room_is_written_nonetheless(project: Path, tmp_path: Path) -> None:
    outer = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}

    done = subprocess.run(
        [sys.executable, "manage.py", "startcollector", "unregistered", "shop", "x"],
        cwd=project,
        env={**outer, "DC_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    assert "is not on the register yet" in done.stderr
    assert project.joinpath("collectors/sources/unregistered/shop/x/migrations/0001_initial.py").is_file()


def test_when_the_migration_cannot_be_made_nothing_remains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaffolding, "HOME", tmp_path)
    monkeypatch.setattr(scaffolding, "source_folders", lambda: [tmp_path])
    monkeypatch.setenv("DC_WEB_PORT", "not a port")

    with pytest.raises(CannotStart, match=r"The migration of shop\.a\.b cannot be made: .*DC_WEB_PORT"):
        start_collector("shop", "a", "b")

    assert list(tmp_path.iterdir()) == []
