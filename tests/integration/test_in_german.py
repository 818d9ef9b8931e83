"""Pages in German: all of them open, and none says a sentence of the catalogue in English."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext

from apps.accounts.models import User
from apps.runtime.models import State
from config import catalogue
from tests.architecture.words import CODE, ICON, SPOKEN
from tests.integration.factories import make_app, make_run
from tests.integration.people import signed_in
from tests.integration.test_every_door import PARAMETER, ROUTES

pytestmark = pytest.mark.django_db(databases="__all__")

#: A number in an attribute that a browser reads: with a comma it is none.
BROKEN_NUMBER = re.compile(r'\s(?:x|y|x1|x2|y1|y2|cx|cy|r|width|height|value|max|min|step)="-?\d+,\d+"')
#: Pages that answer with no page: files, redirects, JSON.
PAGES = [
    path.partition("?")[0]
    for name, (method, path, _least) in ROUTES.items()
    if method == "get" and path.startswith("/admin/") and name not in ("admin:jsi18n", "admin:autocomplete")
]


class _Texts(HTMLParser):
    """What a page says, and how it is read out."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[str] = set()
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in CODE or ICON in (given.get("class") or "") or given.get("lang") == "en":
            self.inside.append(tag)
        self.found |= {(value or "").strip() for name, value in attrs if name in SPOKEN}

    def handle_endtag(self, tag: str) -> None:
        if tag in self.inside:
            self.inside.remove(tag)

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.found.add(" ".join(data.split()))


def english() -> set[str]:
    """What only an English page says."""
    found: set[str] = set()
    for message in catalogue.catalogue_of("de"):
        for text in [message.id] if isinstance(message.id, str) else message.id:
            if text and text != gettext(text) and " " in text:
                found |= {" ".join(text.split()), text[:1].upper() + text[1:]}
    return found


def texts_of(page: str) -> set[str]:
    parser = _Texts()
    parser.feed(page)
    return parser.found


@pytest.fixture
def german() -> Client:
    browser = signed_in("superuser")
    User.objects.filter(username="superuser").update(language="de")
    return browser


def addresses() -> Iterator[str]:
    app = make_app(is_enabled=True, description="x")
    run = make_run(app, State.SUCCEEDED)
    for path in PAGES:
        yield path.format(app=app.pk, run=run.pk, person=User.objects.get().pk, client=0)
    yield f"/admin/registry/app/{app.pk}/change/"
    yield f"/admin/runtime/runtime/{run.pk}/change/"
    for model in admin.site._registry:
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        yield base
        yield f"{base}add/"


def test_no_page_says_in_english_what_is_translated(german: Client) -> None:
    assert not PARAMETER.search("".join(PAGES).replace("{app}", "").replace("{run}", "").replace("{person}", ""))
    with translation.override("de"):
        unwanted = english()
    assert len(unwanted) > 1000

    opened, wrong = 0, {}
    for address in addresses():
        answer = german.get(address)
        if answer.status_code in (302, 403, 404) or "html" not in answer["Content-Type"]:
            continue
        assert answer.status_code == 200, address
        opened += 1
        if found := texts_of(answer.text) & unwanted:
            wrong[address] = sorted(found)
        assert not BROKEN_NUMBER.search(answer.text), address

    assert wrong == {}
    assert opened > 60


def test_the_page_for_signing_in_is_german_too() -> None:
    page = Client().get("/admin/login/", headers={"Accept-Language": "de"}).text
    with translation.override("de"):
        assert texts_of(page) & english() == set()
    assert "Anmelden" in page
