from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from config.errors import SettingsError
from config.settings.env import Settings, read_settings, socket_path
from config.settings.groups import GROUPS, known_variables
from config.settings.reading import BASE_DIR, FILE, Layer, env_file_layer

KEY = "k" * 50


def read(**environment: str) -> Settings:
    return read_settings([Layer("environment", {f"DC_{name}": value for name, value in environment.items()})])


def complaints(**environment: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read(**environment)
    return str(caught.value).splitlines()


def test_without_any_variable_it_is_the_embedded_profile_on_sqlite() -> None:
    settings = read()

    assert settings.general.profile == "embedded"
    assert settings.database.url is not None
    assert settings.database.url.get_secret_value() == f"sqlite:///{BASE_DIR}/var/platform.sqlite3"
    assert settings.origins["DC_DATABASE_URL"] == "profile embedded"
    assert "DC_WEB_PORT" not in settings.origins


def test_the_environment_wins_over_the_file() -> None:
    settings = read_settings(
        [Layer("environment", {"DC_WEB_PORT": "8001"}), Layer(".env", {"DC_WEB_PORT": "8002", "DC_RUN_SLOTS": "7"})]
    )

    assert (settings.web.port, settings.run.slots) == (8001, 7)
    assert settings.origins["DC_WEB_PORT"] == "environment"
    assert settings.origins["DC_RUN_SLOTS"] == ".env"


def test_an_empty_value_counts_as_not_set() -> None:
    settings = read_settings([Layer("environment", {"DC_WEB_PORT": " "}), Layer(".env", {"DC_WEB_PORT": "8002"})])

    assert settings.web.port == 8002
    assert read(PUBLIC_URL="").general.public_url == "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("WEB_PORT", "abc", 'should be a whole number from 1 to 65535, not "abc"'),
        ("WEB_PORT", "70000", 'should be a whole number from 1 to 65535, not "70000"'),
        ("WEB_PORT", "1.5", 'should be a whole number from 1 to 65535, not "1.5"'),
        ("WEB_HTTPS", "perhaps", 'should be yes or no, not "perhaps"'),
        ("PROFILE", "Production", 'should be one of embedded, production, test, not "Production"'),
        ("TIME_ZONE", "Mars/Base", 'should be the name of a time zone such as UTC or Europe/Berlin, not "Mars/Base"'),
        ("TIME_ZONE", "../etc", 'should be the name of a time zone such as UTC or Europe/Berlin, not "../etc"'),
        ("ONLY_ROOM", "shop.books", 'should be an app code, group.parent.app, not "shop.books"'),
    ],
)
def test_a_wrong_value_is_one_clear_line(variable: str, value: str, complaint: str) -> None:
    assert complaints(**{variable: value}) == [f"DC_{variable}: {complaint} (from environment)."]


@pytest.mark.parametrize("hosts", ["http://a.example", "a.example:8000", "a.example,b example"])
def test_hosts_are_names_without_scheme_and_port(hosts: str) -> None:
    assert "DC_ALLOWED_HOSTS: should be host names" in complaints(ALLOWED_HOSTS=hosts)[0]


def test_hosts_are_separated_by_commas() -> None:
    assert read(ALLOWED_HOSTS="a.example, .b.example ,[::1]").general.allowed_hosts == [
        "a.example",
        ".b.example",
        "[::1]",
    ]


@pytest.mark.parametrize("url", ["collector.example", "ftp://a.example", "https://a.example/x", "https://a.example:x"])
def test_the_public_address_is_a_site_and_nothing_behind_it(url: str) -> None:
    assert "DC_PUBLIC_URL: should be an address" in complaints(PUBLIC_URL=url)[0]


def test_every_wrong_value_is_named_at_once() -> None:
    lines = complaints(WEB_PORT="x", RUN_SLOTS="y", LOG_LEVEL="loud")

    assert [line.partition(":")[0] for line in lines] == ["DC_WEB_PORT", "DC_RUN_SLOTS", "DC_LOG_LEVEL"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "mysql://u:Pa55word@db/x"),
        ("DATABASE_DATA_URL", "Pa55word"),
        ("BROKER_URL", "http://u:Pa55word@mq"),
        ("REDIS_URL", "[Pa55word"),
        ("SECRET_KEY", "Pa55word"),
        ("SECRET_KEY_FILE", "Pa55word"),
        ("PUBLIC_URL", "https://u:Pa55word@site.example"),
    ],
)
def test_no_complaint_shows_a_secret(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(**{variable: value})

    everything = "".join(traceback.format_exception(caught.value))
    assert f"DC_{variable}: " in everything
    assert "Pa55word" not in everything


def test_settings_do_not_print_their_secrets() -> None:
    settings = read(SECRET_KEY=KEY, DATABASE_URL="postgresql://u:Pa55word@db/x", REDIS_URL="redis://:Pa55word@r/0")

    assert KEY not in repr(settings)
    assert "Pa55word" not in repr(settings)


def test_a_value_can_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")

    settings = read(SECRET_KEY_FILE=str(file))

    assert settings.general.secret_key is not None
    assert settings.general.secret_key.get_secret_value() == KEY
    assert settings.origins["DC_SECRET_KEY"] == f"environment, file {file}"
    assert settings.files == {"DC_SECRET_KEY": file}


def test_a_file_that_is_missing_empty_or_no_text_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")

    lines = complaints(
        WEB_PORT_FILE=str(tmp_path / "none"),
        RUN_SLOTS_FILE=str(tmp_path / "empty"),
        LOG_LEVEL_FILE=str(tmp_path / "binary"),
        TIME_ZONE_FILE=str(tmp_path),
    )

    assert sorted(line.replace(str(tmp_path), "") for line in lines) == [
        "DC_LOG_LEVEL_FILE: cannot use /binary: it is not UTF-8 text (from environment).",
        "DC_RUN_SLOTS_FILE: cannot use /empty: the file is empty (from environment).",
        "DC_TIME_ZONE_FILE: cannot use : is a directory (from environment).",
        "DC_WEB_PORT_FILE: cannot use /none: no such file or directory (from environment).",
    ]


def test_a_value_and_its_file_cannot_both_be_set() -> None:
    assert complaints(WEB_PORT="1", WEB_PORT_FILE="/x") == [
        "DC_WEB_PORT: set twice (from environment), also as DC_WEB_PORT_FILE; remove one of them."
    ]


def test_no_setting_is_called_like_the_file_of_another() -> None:
    assert [name for name in known_variables() if name.endswith(FILE)] == []
    assert len(known_variables()) == len(set(known_variables()))


def test_every_setting_says_what_it_is_for() -> None:
    for group in GROUPS.values():
        assert group.__doc__
        assert [name for name, field in group.model_fields.items() if not field.description] == []


def test_folders_are_relative_to_the_project() -> None:
    settings = read(DATA_DIR="elsewhere", SOURCES_PATH="mine:/srv/sources")

    assert settings.general.data_dir == BASE_DIR / "elsewhere"
    assert settings.general.sources_path == [BASE_DIR / "mine", Path("/srv/sources")]


def test_with_a_database_of_its_own_collected_rows_live_there_too() -> None:
    settings = read(DATABASE_URL="postgresql://db/x")

    assert settings.database.data_url is None


def test_collected_rows_may_live_elsewhere() -> None:
    settings = read(DATABASE_DATA_URL="postgresql://db/x")

    assert settings.database.data_url is not None
    assert settings.database.data_url.get_secret_value() == "postgresql://db/x"
    assert settings.origins["DC_DATABASE_URL"] == "profile embedded"


def test_a_folder_with_odd_letters_is_a_good_data_folder() -> None:
    from config.settings.databases import databases

    settings = read(DATA_DIR="/srv/a b#c?d%20e")

    assert databases(settings.database)["default"]["NAME"] == "/srv/a b#c?d%20e/platform.sqlite3"


def test_production_must_be_told_its_key_and_its_database() -> None:
    assert complaints(PROFILE="production") == [
        "DC_SECRET_KEY: not set; the production profile has no default key.",
        "DC_DATABASE_URL: not set; the production profile has no default database.",
    ]


def test_production_has_no_broker_and_no_cache_by_itself() -> None:
    settings = read(PROFILE="production", SECRET_KEY=KEY, DATABASE_URL="postgresql://db/x")

    assert (settings.broker.url, settings.redis.url, settings.general.public_url) == (None, None, None)


def test_a_short_key_is_refused_in_every_profile() -> None:
    assert complaints(SECRET_KEY="k" * 49) == ["DC_SECRET_KEY: too short; use at least 50 random characters."]


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:9"), ("0.0.0.0", "http://localhost:9"), ("::1", "http://[::1]:9")],  # noqa: S104
)
def test_links_lead_to_where_the_site_listens(host: str, url: str) -> None:
    assert read(WEB_HOST=host, WEB_PORT="9").general.public_url == url


@pytest.mark.parametrize(
    ("name", "closest"),
    [
        ("DC_WEB_PROT", "DC_WEB_PORT"),
        ("DC_SECRET_KEYFILE", "DC_SECRET_KEY_FILE"),
        ("DC_ALLOWED_HOST", "DC_ALLOWED_HOSTS"),
        ("DC_UTTERLY_DIFFERENT", ""),
    ],
)
def test_unknown_names_are_remembered_with_the_closest_known_one(name: str, closest: str) -> None:
    assert read_settings([Layer("environment", {name: "1", "PATH": "/bin"})]).unknown == {name: closest}


def test_the_env_file_is_read_as_it_stands(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("# a comment\nexport DC_WEB_PORT=8001\nDC_SECRET_KEY='a$b ${HOME} #c'\nDC_FLAG\n")

    layer = env_file_layer(file)

    assert dict(layer) == {"DC_WEB_PORT": "8001", "DC_SECRET_KEY": "a$b ${HOME} #c"}


def test_an_env_file_with_a_broken_line_names_the_line_alone(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DC_WEB_PORT=8001\nDC_SECRET_KEY='Pa55word\n")

    with pytest.raises(SettingsError) as caught:
        env_file_layer(file)

    assert str(caught.value) == ".env: line 2 is not of the form NAME=value."


def test_without_an_env_file_the_layer_is_empty(tmp_path: Path) -> None:
    assert dict(env_file_layer(tmp_path / ".env")) == {}


def test_a_deep_data_folder_gets_a_short_socket() -> None:
    deep = Path("/" + "deep/" * 30)

    assert socket_path(Path("/srv/dc")) == Path("/srv/dc/run/valkey.sock")
    assert len(str(socket_path(deep))) < 100
    assert socket_path(deep) == socket_path(deep)
    assert socket_path(deep) != socket_path(deep / "other")
