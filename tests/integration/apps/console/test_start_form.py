"""The form that starts a run, made of the schema of the arguments."""

from __future__ import annotations

from datetime import date
from html import unescape
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field

from apps.console import start_form
from apps.console.start_form import StartForm
from apps.registry.models import App
from apps.runtime.models import Command, Runtime
from tests.integration.factories import make_app
from tests.integration.people import messages_of, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")

APPS = "/admin/registry/app/"


class Args(BaseModel):
    category: Literal["Poetry", "Novels"] = "Novels"
    since: date | None = Field(None, description="Nothing older.")
    pages: int = Field(10, ge=1, le=50)
    ratio: float | None = None
    deep: bool = True
    token: str = Field(min_length=3)
    words: list[str] = []


def app_with_schema(**values: Any) -> App:
    # Its room is not on this machine, so the schema on the register is what there is.
    return make_app("a.b.elsewhere", is_enabled=True, args_schema=Args.model_json_schema(), **values)


def sent(**values: Any) -> dict[str, Any]:
    fields = {
        "arg_category": '"Novels"',
        "arg_since": "",
        "arg_pages": "10",
        "arg_ratio": "",
        "arg_deep": "on",
        "arg_token": "abc",
        "arg_words": "",
        "limit": "",
        **values,
    }
    return {name: value for name, value in fields.items() if value is not None}


def test_each_argument_has_a_field_of_its_type() -> None:
    page = signed_in("operator").get(f"{APPS}{app_with_schema().pk}/start/").text
    for text in ('type="date"', 'type="number"', 'type="checkbox"', "<select", "Nothing older.", 'name="arg_words"'):
        assert text in page


def test_a_run_gets_what_differs_from_the_app() -> None:
    app = app_with_schema(args={"pages": 20})
    form = StartForm(app)
    assert form.fields["arg_pages"].initial == 20
    values = sent(arg_since="2026-05-01", arg_pages="20", arg_deep=None, arg_words="a\nb\n", limit="5", dry_run="on")
    response = signed_in("operator").post(f"{APPS}{app.pk}/start/", values)
    run = Runtime.objects.get()
    assert response["Location"] == f"/admin/runtime/runtime/{run.pk}/change/"
    assert Command.objects.get().args == {"token": "abc", "since": "2026-05-01", "deep": False, "words": ["a", "b"]}
    assert (run.limit, run.is_dry_run) == (5, True)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"arg_pages": "many"}, "arg_pages"),
        ({"arg_pages": "51"}, "arg_pages"),
        ({"arg_since": "yesterday"}, "arg_since"),
        ({"arg_category": '"Maps"'}, "arg_category"),
        ({"arg_token": ""}, "arg_token"),
        ({"limit": "0"}, "limit"),
    ],
)
def test_a_wrong_value_is_told_at_its_field_and_starts_nothing(values: dict[str, str], field: str) -> None:
    app = app_with_schema()
    response = signed_in("operator").post(f"{APPS}{app.pk}/start/", sent(**values))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert response.context["form"].errors[field][0] in unescape(response.text)
    assert not Command.objects.exists()


def test_what_only_the_source_knows_to_be_wrong_is_told_at_its_field() -> None:
    app = make_app(is_enabled=True)
    response = signed_in("operator").post(f"{APPS}{app.pk}/start/", {"arg_base_url": "ftp://x", "limit": ""})
    assert list(response.context["form"].errors) == ["arg_base_url"]
    assert not Runtime.objects.exists()


def test_a_disabled_app_says_so_and_starts_nothing() -> None:
    app = make_app()
    client = signed_in("operator")
    assert "is disabled; enable it first." in client.get(f"{APPS}{app.pk}/start/").text
    values = {"arg_base_url": "http://127.0.0.1/x", "limit": ""}
    response = client.post(f"{APPS}{app.pk}/start/", values, follow=True)
    assert messages_of(response) == ["examples.shop.books is disabled; enable it first."]


def test_who_may_not_start_sees_no_form() -> None:
    app = make_app(is_enabled=True)
    client = signed_in("viewer")
    assert client.get(f"{APPS}{app.pk}/start/").status_code == 403
    assert client.post(f"{APPS}{app.pk}/start/", {}).status_code == 403
    assert client.get(f"{APPS}{app.pk + 1}/start/").status_code == 404


def test_a_property_is_read_through_references_and_options() -> None:
    definitions = {"Kind": {"enum": ["a", "b"], "title": "Kind"}}
    spec = {"anyOf": [{"$ref": "#/$defs/Kind"}, {"type": "null"}], "default": None}
    assert start_form._plain(spec, definitions)["enum"] == ["a", "b"]
