"""Everything a person or another program can reach is listed here, with the test that covers it.

A new model, command, task, address or consumer fails these tests until somebody has said where it is tested, or why it
needs no admin page.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from importlib import import_module

import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from apps.records.models import DataTable
from collectors.sources.examples.shop.books.models import Book
from tests.architecture.project import CODE, ROOT, modules

#: Model -> why it has no admin page.
NO_PAGE = {
    "captcha.Spending": "sums of a day; shown on the page of budgets",
    "django_celery_beat.PeriodicTasks": "one row that tells beat of changes; nothing to see",
    "accounts.AuditSweep": "one row while retention deletes audit entries",
    "accounts.Identity": "shown on the page of the person it belongs to",
    "accounts.SecondFactor": "a secret; whether there is one is shown on the page of its person",
    "api.StoredAnswer": "answers kept for a day for programs that ask twice; nothing to see",
    "admin.LogEntry": "shown on the history page of each object",
    "auth.Permission": "chosen on the pages of users and roles",
    "contenttypes.ContentType": "Django's own register of models",
    "accounts.Ticket": "used or over within seconds; nothing to see",
    "logs.ErrorGroupApp": "shown with the error group it belongs to",
    "logs.LogChunk": "a part of the index of the search",
    "logs.LogGram": "a part of the index of the search",
    "politeness.Circuit": "shown on the page of its site",
    "politeness.Place": "a lease of a request that is under way; nothing to see",
    "politeness.RobotsFile": "shown on the page of its site",
    "quality.LetThrough": "shown on the page of its dataset, where it is granted",
    "quality.Measurement": "shown on the page of its dataset",
    "runtime.RunDay": "sums of the runs of a day; Home draws them",
    "logs.LogSequence": "one counter a run; the run page shows its lines",
    "accounts.SavedView": "shown above the list it is a view of",
    "runtime.BulkItem": "shown on the page of its bulk action",
    "runtime.QueuedItem": "a part of its item queue, of which there may be millions",
    "runtime.QueueSeen": "a part of its item queue; keys, packed",
    "oauth2_provider.DeviceGrant": "of a flow that is not offered",
    "sessions.Session": "its data is a secret of the person who is signed in",
}

#: What there is -> the test file that covers it, and the words with which it does.
COMMANDS = {
    "captcha_report": ("tests/integration/apps/captcha/test_ledger.py", '"captcha_report"'),
    "app": ("tests/integration/apps/runtime/test_app_command.py", '"app"'),
    "beat": ("tests/acceptance/test_clock.py", '"beat"'),
    "connection": ("tests/integration/apps/databases/test_connections.py", '"connection"'),
    "config": ("tests/integration/config/test_config_command.py", '"config"'),
    "deploy": ("tests/integration/apps/databases/test_deploy.py", '"deploy"'),
    "journal": ("tests/integration/apps/runtime/test_journal_command.py", '"journal"'),
    "loginlink": ("tests/integration/apps/accounts/test_loginlink_command.py", '"loginlink"'),
    "manager": ("tests/acceptance/test_manager.py", '"manager"'),
    "migrate": ("tests/integration/apps/core/test_migrate.py", '"migrate"'),
    "proxy_stress": ("tests/integration/apps/proxies/test_leasing.py", '"proxy_stress"'),
    "polite_test": ("tests/acceptance/test_polite.py", '"polite_test"'),
    "quality": ("tests/integration/apps/quality/test_quarantine.py", '"quality"'),
    "rows": ("tests/integration/apps/records/test_exports.py", '"rows"'),
    "runcollector": ("tests/acceptance/test_runcollector.py", '"runcollector"'),
    "secrets": ("tests/integration/apps/credentials/test_rotation.py", '"secrets"'),
    "startcollector": ("tests/integration/apps/registry/test_startcollector.py", '"startcollector"'),
    "secondfactor": ("tests/integration/apps/accounts/test_second_factor.py", '"secondfactor"'),
    "sweep": ("tests/integration/apps/runtime/test_sweep.py", '"sweep"'),
    "up": ("tests/acceptance/test_up.py", '"up"'),
    "web": ("tests/acceptance/test_up.py", '"web"'),
    "worker": ("tests/acceptance/test_clock.py", '"worker"'),
}

TASKS = {
    "captcha.balances": ("tests/integration/apps/captcha/test_ledger.py", "look_at_balances.apply"),
    "captcha.settle": ("tests/integration/apps/captcha/test_ledger.py", "settle_lost.apply"),
    "proxies.judge": ("tests/integration/apps/proxies/test_source.py", "proxies.judge"),
    "proxies.upkeep": ("tests/integration/apps/proxies/test_source.py", "proxies.upkeep"),
    "runtime.bulk": ("tests/integration/apps/runtime/test_bulk.py", "runtime.bulk"),
    "runtime.index_logs": ("tests/integration/apps/runtime/test_sweep.py", "runtime.index_logs"),
    "runtime.sweep": ("tests/integration/apps/runtime/test_sweep.py", "runtime.sweep"),
    "runtime.tick": ("tests/integration/apps/runtime/test_tick.py", "runtime.tick"),
}

ADDRESSES = {
    "admin:columns": ("tests/integration/apps/console/test_list_tools.py", "/admin/columns/"),
    "admin:palette_act": ("tests/integration/apps/console/test_palette.py", "/admin/palette/act/"),
    "admin:palette_command": ("tests/integration/apps/console/test_palette.py", '["poll"]'),
    "admin:preferences": ("tests/integration/apps/console/test_list_tools.py", "/admin/preferences/"),
    "admin:search": ("tests/integration/apps/console/test_palette.py", "/admin/search/"),
    "admin:views_change": ("tests/integration/apps/console/test_list_tools.py", '"/admin/views/"'),
    "admin:views_keep": ("tests/integration/apps/console/test_list_tools.py", '"/admin/views/"'),
    "admin:accounts_client_end_tokens": ("tests/integration/apps/accounts/test_clients_admin.py", "/end-tokens/"),
    "admin:accounts_client_new_secret": ("tests/integration/apps/accounts/test_clients_admin.py", "/new-secret/"),
    "admin:accounts_user_end_sessions": ("tests/integration/apps/accounts/test_sessions.py", "/end-sessions/"),
    "admin:accounts_user_login_link": ("tests/integration/apps/accounts/test_admin.py", "/login-link/"),
    "admin:accounts_user_reset_second_factor": (
        "tests/integration/apps/accounts/test_second_factor.py",
        "/reset-second-factor/",
    ),
    "admin:databases_connection_test": ("tests/integration/apps/databases/test_connections.py", "/test/"),
    "admin:examples_shop_books_book_export": ("tests/integration/apps/records/test_exports.py", "export/"),
    "admin:first_steps_hide": ("tests/integration/apps/console/test_first_steps.py", "/admin/first-steps/hide/"),
    "admin:home_live": ("tests/integration/apps/console/test_home.py", "/admin/live/"),
    "admin:index": ("tests/integration/apps/console/test_home.py", '"/admin/"'),
    "admin:login": ("tests/integration/apps/accounts/test_lockout.py", "/admin/login/"),
    "admin:notifications_channel_test": ("tests/integration/apps/notifications/test_admin.py", "/test/"),
    "admin:politeness_site_close_circuits": ("tests/integration/apps/politeness/test_pages.py", "/close-circuits/"),
    "admin:politeness_site_forget_robots": ("tests/integration/apps/politeness/test_pages.py", "/forget-robots/"),
    "admin:quality_dataset_let_through": ("tests/integration/apps/quality/test_pages.py", "/let-through/"),
    "admin:registry_app_command": ("tests/integration/apps/console/test_app_page.py", "/command/"),
    "admin:registry_app_live": ("tests/integration/apps/console/test_app_page.py", "/live/"),
    "admin:registry_app_start": ("tests/integration/apps/console/test_start_form.py", "/start/"),
    "admin:runtime_bulkjob_cancel": ("tests/integration/apps/console/test_bulk_pages.py", '"cancel"'),
    "admin:runtime_bulkjob_confirm": ("tests/integration/apps/console/test_bulk_pages.py", '"confirm"'),
    "admin:runtime_bulkjob_live": ("tests/integration/apps/console/test_bulk_pages.py", "/live/"),
    "admin:runtime_bulkjob_undo": ("tests/integration/apps/console/test_bulk_pages.py", '"undo"'),
    "admin:runtime_functionlog_tree": ("tests/integration/apps/runtime/test_functions_admin.py", "tree/"),
    "admin:run_log_counts": ("tests/integration/apps/console/test_log_viewer.py", '"counts/"'),
    "admin:run_log_download": ("tests/integration/apps/console/test_log_viewer.py", '"download/"'),
    "admin:run_log_line": ("tests/integration/apps/console/test_log_viewer.py", '"line/?n=1"'),
    "admin:run_log_lines": ("tests/integration/apps/console/test_log_viewer.py", '"lines/"'),
    "admin:run_log_locate": ("tests/integration/apps/console/test_log_viewer.py", '"locate/"'),
    "admin:run_log_matches": ("tests/integration/apps/console/test_log_viewer.py", '"matches/?q=x"'),
    "admin:run_log_page": ("tests/integration/apps/console/test_log_viewer.py", "admin:run_log_page"),
    "admin:runtime_runtime_compare": ("tests/integration/apps/runtime/test_run_page.py", "/compare/"),
    "admin:runtime_runtime_live": ("tests/integration/apps/runtime/test_admin.py", "/live/"),
    "admin:runtime_runtime_stop": ("tests/integration/apps/runtime/test_admin.py", "/stop/"),
    "admin:system": ("tests/integration/apps/console/test_system.py", '"/admin/system/"'),
    "admin:system_live": ("tests/integration/apps/console/test_system.py", '"/admin/system/live/"'),
    "admin:timeline": ("tests/integration/apps/console/test_timeline.py", '"/admin/timeline/"'),
    "admin:timeline_live": ("tests/integration/apps/console/test_timeline.py", '"/admin/timeline/live/"'),
    "admin:tables": ("tests/integration/apps/console/test_shell.py", "/admin/tables/"),
    "api-description": ("tests/integration/apps/api/test_access.py", "/api/v1/openapi.json"),
    "demo:book": ("tests/unit/console/test_demo.py", "demo:book"),
    "demo:list": ("tests/unit/console/test_demo.py", "/demo/"),
    **{
        f"demo:{name}": ("tests/unit/console/test_demo_parts.py", f"/demo/{path}")
        for name, path in {
            "api-book": "api/books/",
            "api-list": "api/books",
            "outlet": "outlet/",
            "outlet-copy": "outlet/",
            "trade": "trade/",
            "trade-login": "trade/login/",
        }.items()
    },
    "judge": ("tests/integration/apps/proxies/test_source.py", '"/judge"'),
    "metrics": ("tests/integration/apps/runtime/test_health.py", '"/metrics"'),
    "oauth2_provider:authorize": ("tests/integration/apps/accounts/test_oauth.py", "/oauth/authorize/"),
    "oauth2_provider:token": ("tests/integration/apps/accounts/test_oauth.py", "/oauth/token/"),
    "language": ("tests/integration/apps/accounts/test_languages.py", '"/language/"'),
    "openid": ("tests/integration/apps/accounts/test_openid.py", "/login/openid/"),
    "openid-back": ("tests/integration/apps/accounts/test_openid.py", "/login/openid/back/"),
    "own-second-factor": ("tests/integration/apps/accounts/test_second_factor.py", "/account/second-factor/"),
    "second-factor": ("tests/integration/apps/accounts/test_second_factor.py", "/login/second-factor/"),
    "login-link": ("tests/integration/apps/accounts/test_login_page.py", "/login/"),
}

CONSUMERS = {
    "dashboard.DashboardConsumer": ("tests/integration/apps/console/test_dashboard.py", "/ws/dashboard"),
    "log_stream.RunLogConsumer": ("tests/integration/apps/console/test_log_stream.py", "/ws/runtimes/"),
}


def own_commands() -> set[str]:
    return {name for name, app in get_commands().items() if app.partition(".")[0] in CODE}


def own_tasks() -> set[str]:
    from config.celery import app

    for path in modules():
        if path.stem == "tasks":
            import_module(".".join(path.with_suffix("").parts))
    return {name for name in app.tasks if not name.startswith("celery.")}


def own_addresses() -> set[str]:
    """The names of addresses that lead to code of ours, the usual pages of an admin class left out.

    Each table of collected rows has the same ones: they are listed once, for the table of books.
    """
    usual = {
        f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
        for model in admin.site._registry
        for page in ("changelist", "add", "history", "delete", "change")
    }
    usual |= {
        f"admin:{model._meta.app_label}_{model._meta.model_name}_export"
        for model in admin.site._registry
        if issubclass(model, DataTable) and model is not Book
    }
    return {name for name, view in _views(get_resolver(), "") if view.startswith("apps.")} - usual


def _views(resolver: URLResolver, namespace: str) -> Iterator[tuple[str, str]]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            if entry.name:
                view = getattr(entry.callback, "view_class", entry.callback)
                yield f"{namespace}{entry.name}", view.__module__
        else:
            yield from _views(entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace)


def own_consumers() -> set[str]:
    """Classes of modules called `consumers`: there is no registry to ask."""
    files = [path for path in modules() if path.stem == "consumers"]
    return {
        f"{path.parent.name}.{node.name}"
        for path in files
        for node in ast.parse((ROOT / path).read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("Consumer")
    }


def untested(listed: Mapping[str, tuple[str, str]]) -> list[str]:
    """Entries whose test file is missing, or does not mention them."""
    faults = []
    for name, (file, words) in listed.items():
        path = ROOT / file
        if not path.is_file():
            faults.append(f"{name}: {file} does not exist")
        elif words not in path.read_text("utf-8"):
            faults.append(f"{name}: {file} does not say {words}")
    return faults


def test_every_model_has_an_admin_page_or_a_reason() -> None:
    without = {model._meta.label for model in apps.get_models() if not admin.site.is_registered(model)}

    assert without == set(NO_PAGE)


def test_every_command_is_listed() -> None:
    assert own_commands() == set(COMMANDS)


def test_every_task_is_listed() -> None:
    assert own_tasks() == set(TASKS)


def test_every_address_is_listed() -> None:
    assert own_addresses() == set(ADDRESSES)


def test_every_consumer_is_listed() -> None:
    assert own_consumers() == set(CONSUMERS)


@pytest.mark.parametrize(
    "listed", [COMMANDS, TASKS, ADDRESSES, CONSUMERS], ids=["commands", "tasks", "addresses", "consumers"]
)
def test_what_is_listed_is_tested_there(listed: dict[str, tuple[str, str]]) -> None:
    assert untested(listed) == []


def test_a_missing_test_and_a_silent_one_are_noticed() -> None:
    assert untested({"up": ("tests/nowhere.py", "up")}) == ["up: tests/nowhere.py does not exist"]
    assert untested({"up": ("manage.py", "no such words")}) == ["up: manage.py does not say no such words"]
