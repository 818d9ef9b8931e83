from __future__ import annotations

import enum
import threading
from decimal import Decimal
from typing import Any, Literal

import pytest
from django.db import connection
from pydantic import BaseModel, ConfigDict, Field

from apps.registry.models import App, AppGroup, AppParent
from apps.registry.services import BadArguments, parse_pairs, register_app, register_rooms, validate_args
from collectors.contract import Outcome
from collectors.discovery import installed_rooms
from collectors.identity import parse_code
from collectors.loader import Source

INFO = parse_code("shop.books.prices")


class Colour(enum.StrEnum):
    RED = "red"


class Args(BaseModel):
    base_url: str = "https://shop.example/"
    pages: int = Field(3, ge=1, le=100)
    discount: Decimal = Decimal(0)
    isbn: str | None = None
    tags: list[str] = []
    size: Literal["1", "2"] = "1"
    colour: Colour = Colour.RED
    number_or_text: int | str = 1


def source(model: type[BaseModel] | None = Args) -> Source:
    return Source(INFO, model, lambda context: Outcome())


@pytest.mark.django_db
class TestRegisteringAnApp:
    def test_it_makes_group_parent_and_a_disabled_app(self) -> None:
        app = register_app(INFO, description="Prices.", args_schema={"type": "object"})

        app.refresh_from_db()
        assert (app.code, app.identity, str(app.parent)) == (INFO.code, INFO.identity, "shop.books")
        assert (app.is_enabled, app.kind, app.description) == (False, App.Kind.MANAGED, "Prices.")
        assert app.args_schema == {"type": "object"}
        app.full_clean()

    def test_a_second_time_it_leaves_what_people_changed(self) -> None:
        app = register_app(INFO)
        App.objects.filter(pk=app.pk).update(is_enabled=True, description="Ours.")

        again = register_app(INFO, description="Other.")

        assert again.pk == app.pk
        assert (again.is_enabled, again.description) == (True, "Ours.")

    def test_a_new_argument_schema_replaces_the_old_one(self) -> None:
        register_app(INFO, args_schema={"a": 1})

        register_app(INFO, args_schema={"b": 2})
        register_app(INFO)

        assert App.objects.get().args_schema == {"b": 2}

    def test_apps_share_their_group_and_parent(self) -> None:
        for code in ("shop.books.a", "shop.books.b", "shop.films.a", "other.books.a"):
            register_app(parse_code(code))

        assert (AppGroup.objects.count(), AppParent.objects.count(), App.objects.count()) == (2, 3, 4)

    def test_the_rooms_on_disk_are_registered_once(self) -> None:
        codes = {config.room.info.code for config in installed_rooms()}

        assert {app.code for app in register_rooms()} == codes
        assert register_rooms() == []


@pytest.mark.django_db(transaction=True)
def test_processes_that_register_one_app_at_once_make_one_row() -> None:
    errors: list[Exception] = []
    barrier = threading.Barrier(4)

    def register() -> None:
        try:
            barrier.wait(timeout=10)
            register_app(INFO)
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=register) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert errors == []
    assert App.objects.filter(code=INFO.code).count() == 1


class TestReadingWhatWasTyped:
    @pytest.mark.parametrize(
        ("pair", "value"),
        [
            ("pages=5", 5),
            ("base_url=007", "007"),
            ("base_url=a=b&c=d", "a=b&c=d"),
            ("base_url=", ""),
            ("isbn=9781458654281", "9781458654281"),
            ("size=2", "2"),
            ("colour=red", "red"),
            ('tags=["a", "b"]', ["a", "b"]),
            ("tags=plain", "plain"),
            ("discount=1.5", 1.5),
            ("number_or_text=5", 5),
            ('unknown={"a": null}', {"a": None}),
            ("unknown=NaN", "NaN"),
            ("unknown=[Infinity]", "[Infinity]"),
        ],
    )
    def test_a_pair_becomes_a_value(self, pair: str, value: Any) -> None:
        assert list(parse_pairs([pair], source()).values()) == [value]

    @pytest.mark.parametrize("pair", ["pages", "=5", ""])
    def test_what_is_no_pair_is_refused(self, pair: str) -> None:
        with pytest.raises(BadArguments, match="is not of the form key=value"):
            parse_pairs([pair], source())

    def test_an_argument_cannot_be_given_twice(self) -> None:
        with pytest.raises(BadArguments, match='"pages" is given twice'):
            parse_pairs(["pages=1", "pages=2"], source())


class TestCheckingArguments:
    def test_they_become_an_instance_with_defaults(self) -> None:
        args = validate_args(source(), {"pages": 5})

        assert args == Args(pages=5)

    @pytest.mark.parametrize(
        ("values", "complaint"),
        [
            ({"pages": "many"}, 'Argument "pages": input should be a valid integer'),
            ({"pages": 0}, 'Argument "pages": input should be greater than or equal to 1.'),
            ({"tags": ["a", 3]}, 'Argument "tags.1": input should be a valid string.'),
            ({"page": 3}, '"page" is not an argument of shop.books.prices; did you mean pages?'),
            ({"xyz": 3}, '"xyz" is not an argument of shop.books.prices; it takes base_url, pages, '),
        ],
    )
    def test_a_wrong_one_is_a_sentence(self, values: dict[str, Any], complaint: str) -> None:
        with pytest.raises(BadArguments) as caught:
            validate_args(source(), values)

        assert str(caught.value).startswith(complaint)

    def test_every_wrong_one_is_named(self) -> None:
        with pytest.raises(BadArguments) as caught:
            validate_args(source(), {"pages": 0, "size": "9"})

        assert '"pages"' in str(caught.value)
        assert '"size"' in str(caught.value)

    def test_no_complaint_repeats_the_value(self) -> None:
        with pytest.raises(BadArguments) as caught:
            validate_args(source(), {"pages": "Pa55word"})

        assert "Pa55word" not in str(caught.value)

    def test_a_source_without_arguments_takes_none(self) -> None:
        assert validate_args(source(None), {}) == {}
        with pytest.raises(BadArguments, match="takes no arguments, and was given: a, b"):
            validate_args(source(None), {"b": 1, "a": 2})

    def test_a_source_may_take_whatever_comes(self) -> None:
        class Anything(BaseModel):
            model_config = ConfigDict(extra="allow")

        assert validate_args(source(Anything), {"a": 1}) == Anything.model_validate({"a": 1})
