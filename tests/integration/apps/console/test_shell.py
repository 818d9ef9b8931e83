"""The shell around all pages: sidebar, tables, the clock's tasks, search, errors, static files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import reverse
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from apps.accounts.models import User
from apps.console import navigation
from apps.console.site import ConsoleSite
from apps.console.tables import Table
from apps.runtime.models import State
from tests.integration.factories import make_app, make_run
from tests.integration.people import make_person, signed_in

pytestmark = pytest.mark.django_db(databases="__all__")


def titles(role: str) -> list[str]:
    request = RequestFactory().get("/admin/")
    request.user = User.objects.filter(username=role).first() or make_person(role)
    return [item["title"] for section in navigation.sidebar(request) for item in section["items"]]


def test_the_site_is_ours() -> None:
    assert isinstance(admin.site, ConsoleSite) or admin.site.__class__.__name__ == "ConsoleSite"
    assert "Data Collector" in signed_in().get("/admin/").text


@pytest.mark.parametrize(
    ("role", "seen", "hidden"),
    [
        ("", {"Home"}, {"Runs", "Apps", "Books", "Users"}),
        ("viewer", {"Home", "Runs", "Log", "Apps", "Books", "Modules"}, {"Users", "Periodic tasks"}),
        ("developer", {"Runs", "Books", "Periodic tasks"}, {"Users"}),
        ("admin", {"Runs", "Books", "Users", "Roles", "Login links"}, set()),
    ],
)
def test_the_sidebar_shows_what_the_role_may_open(role: str, seen: set[str], hidden: set[str]) -> None:
    found = set(titles(role))
    assert seen <= found
    assert not hidden & found


@pytest.mark.parametrize("role", ["", "viewer", "operator", "developer", "admin", "superuser"])
def test_every_link_of_the_sidebar_opens(role: str) -> None:
    client = signed_in(role)
    links = set(re.findall(r'href="(/admin/[^"?]*)"', client.get("/admin/").text))
    assert links
    for link in links:
        assert client.get(link).status_code == 200, link


def test_with_many_tables_the_sidebar_leads_to_the_list_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    many = [Table(name="Books", app_code=f"a.b.c{number}", url=f"/{number}/") for number in range(40)]
    monkeypatch.setattr(navigation, "visible_tables", lambda request: many)
    found = titles("viewer")
    assert "All 40 tables" in found
    assert "Books (a.b.c0)" in found
    assert sum(title.startswith("Books (") for title in found) == navigation.TABLES_SHOWN


def test_the_list_of_tables_names_each_with_its_app() -> None:
    page = signed_in("viewer").get("/admin/tables/").text
    assert "/admin/examples_shop_books/book/" in page
    assert "examples.shop.books" in page
    assert "There are no tables you may see." in signed_in("").get("/admin/tables/").text


def test_every_model_with_a_page_opens_its_list_and_its_search() -> None:
    client = signed_in()
    make_run(make_app(), State.RUNNING)
    for model in admin.site._registry:
        url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        assert client.get(url).status_code == 200, url
        assert client.get(f"{url}?q=anything").status_code == 200, url


def test_a_periodic_task_can_be_edited_but_only_run_by_those_who_may_change_it() -> None:
    every = IntervalSchedule.objects.create(every=10, period="seconds")
    task = PeriodicTask.objects.create(name="tick", task="apps.runtime.tasks.tick", interval=every)
    url = "/admin/django_celery_beat/periodictask/"
    assert signed_in("viewer").get(url).status_code == 403
    viewer = make_person("viewer", name="watcher")
    from django.contrib.auth.models import Permission

    viewer.user_permissions.add(Permission.objects.get(codename="view_periodictask"))
    client = Client()
    client.force_login(viewer)
    client.post(url, {"action": "disable_tasks", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert task.enabled
    signed_in("developer").post(url, {"action": "disable_tasks", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert not task.enabled
    assert signed_in("developer").get(f"{url}{task.pk}/change/").status_code == 200
    assert client.get(f"{url}{task.pk}/change/").status_code == 200


def test_an_address_that_is_not_there_has_a_page_without_a_trace(client: Client) -> None:
    response = client.get("/nothing/here/")
    assert response.status_code == 404
    assert "There is nothing at this address" in response.text
    assert "Traceback" not in response.text


def test_the_admin_is_not_shown_in_frames_of_other_sites() -> None:
    assert signed_in().get("/admin/")["X-Frame-Options"] == "DENY"


def test_a_room_with_a_broken_page_of_its_own_keeps_the_plain_one(tmp_path: Path) -> None:
    room = tmp_path / "rooms" / "probe" / "site" / "things"
    (room / "migrations").mkdir(parents=True)
    for folder in (room, room / "migrations", room.parent, room.parent.parent):
        (folder / "__init__.py").touch()
    (room / "main.py").write_text("def main(context):\n    pass\n")
    (room / "models.py").write_text(
        "from django.db import models\n"
        "from apps.records.models import DataTable\n\n\n"
        "class Thing(DataTable):\n"
        "    natural_key = ('name',)\n"
        "    name = models.CharField(max_length=10)\n"
    )
    (room / "admin.py").write_text("from nowhere import nothing\n")
    script = (
        "import django; django.setup()\n"
        "from django.apps import apps; from django.contrib import admin; from apps.console.tables import page_errors\n"
        "thing = apps.get_model('probe_site_things', 'Thing')\n"
        "print(type(admin.site._registry[thing]).__name__, page_errors)\n"
    )
    environment = {
        **os.environ,
        "DC_SOURCES_PATH": str(tmp_path / "rooms"),
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=Path(__file__).parents[4], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "TableAdmin" in done.stdout
    assert "probe.site.things" in done.stdout
    assert "No module named 'nowhere'" in done.stdout
