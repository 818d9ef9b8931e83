"""What every test run stands on, those of the source rooms included (docs/testing.md)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_django

from collectors.toolkit.journal.known import known
from config import catalogue
from tests.services import environment, postgres, valkey

PREPARED = pytest.StashKey[environment.Prepared | None]()

#: These ask their questions through Django alone, which is tested on every database by those who make it.
PAGES = {Path(__file__).parent / "tests/integration/apps" / room for room in ("api", "console", "notifications")}
#: And these know what kind of database they ask.
NOT_ALIKE = {"test_app_page.py", "test_log_viewer.py", "test_paging.py"}

hypothesis.settings.register_profile("ci", max_examples=25, stateful_step_count=30, derandomize=True, deadline=None)
hypothesis.settings.register_profile("brief", parent=hypothesis.settings.get_profile("ci"), max_examples=8)
hypothesis.settings.register_profile("nightly", max_examples=2000, stateful_step_count=100, deadline=None)


def pytest_configure(config: pytest.Config) -> None:
    """Prepare the environment, then Django: pytest-django would read the settings before there is an environment."""
    if "DJANGO_SETTINGS_MODULE" in os.environ:
        raise pytest.UsageError("DJANGO_SETTINGS_MODULE is set in your shell; the tests choose their own: unset it.")
    hypothesis.settings.load_profile(os.environ.get("DC_TEST_HYPOTHESIS_PROFILE", "ci"))
    try:
        config.stash[PREPARED] = environment.prepare()
    except (environment.BadTestSetup, postgres.NoPostgres) as error:
        raise pytest.UsageError(str(error)) from None
    if config.stash[PREPARED] is not None:
        catalogue.compile_all()
    _read_settings()


def _read_settings() -> None:
    from django.conf import settings

    # Only while they are read: a worker of xdist that inherited the variable would read them before its turn.
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    for database in settings.DATABASES.values():
        database["TEST"] = {"NAME": database["NAME"]}
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_unconfigure(config: pytest.Config) -> None:
    prepared = config.stash.get(PREPARED, None)
    if prepared is not None:
        prepared.close()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what touches a database: the rest is the same on each of them, and need not run on each (.ci/test)."""
    fixtures = {"db", "transactional_db", "django_db_setup"}
    for item in items:
        asked = fixtures.intersection(item.fixturenames) if isinstance(item, pytest.Function) else set()
        if asked or item.get_closest_marker("django_db"):
            item.add_marker("database")
            if PAGES.intersection(item.path.parents) and item.path.name not in NOT_ALIKE:
                item.add_marker("pages")


def pytest_report_header() -> str:
    return f"backend: {os.environ.get('DC_TEST_SERVER_URL', 'sqlite')}, data: {os.environ['DC_DATA_DIR']}"


@pytest.fixture(autouse=True)
def _secrets_of_one_test() -> Iterator[None]:
    """What one test calls a secret is an ordinary word in the next."""
    with known.for_a_while():
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Nothing to do: every worker has databases of its own already (tests/services/environment.py)."""


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,  # noqa: ARG001 - it has to be there before
    django_db_blocker: pytest_django.DjangoDbBlocker,
) -> Iterator[None]:
    """Databases with every migration, made once for all workers, cleaned up quickly after each test that commits."""
    from django.db import connections
    from django.test.utils import setup_databases

    from tests.services import cleaning, databases, static_files

    cleaning.install()
    static_files.install()
    aliases = dict.fromkeys(connections, False)
    options = {"verbosity": request.config.option.verbose, "interactive": False, "serialized_aliases": ()}
    with django_db_blocker.unblock():
        databases.set_up(set(aliases), lambda: setup_databases(aliases=aliases, **options))
    yield
    with django_db_blocker.unblock():
        databases.tear_down(set(aliases))


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    """A private Valkey on the socket that the settings' cache and broker URLs name."""
    from django.conf import settings

    with valkey.running(Path(settings.CACHES["default"]["LOCATION"].removeprefix("unix://"))) as socket:
        yield socket
