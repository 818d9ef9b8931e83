"""Every route, every action and every WebSocket, for everybody who might try it.

The tables say who is the least that gets in. What is not in them fails: a new route is a decision somebody has to write
down. "nobody" is for what no role opens, "anybody" for what needs no signing in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.contrib import admin
from django.db.models import Model
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver

from apps.accounts.models import User
from apps.accounts.policy import may
from apps.api.access import Needs
from apps.console.dashboard import hub as dashboard
from apps.console.dashboard.snapshot import take_snapshot
from apps.console.dashboard.topics import LISTS, ROWS, topic_of
from apps.console.log_stream.access import admit_pass
from apps.console.sockets.passes import pass_of_session
from apps.console.tables import models as tables
from apps.registry.models import App
from apps.runtime.models import Runtime, State
from config.api import api
from config.routing import websockets
from tests.integration.factories import make_app, make_run
from tests.integration.log_lines import session_of
from tests.integration.people import grant, make_client, make_person, token_of

pytestmark = pytest.mark.django_db(databases="__all__")

RANKS = ("viewer", "operator", "developer", "admin")
#: "guest" is signed in and has no role; "foreign" is granted the role of a developer for another app group.
WHO = ("anonymous", "guest", "foreign", *RANKS)

#: Model -> who is the least that may view, add, change and delete. "-": nobody, not even administrators.
MODELS: dict[str, str] = {
    "accounts.auditentry": "admin - - -",
    "accounts.client": "admin admin admin admin",
    "accounts.lockout": "admin - - -",
    "accounts.loginlink": "admin - - admin",
    "accounts.rolegrant": "admin admin admin admin",
    "accounts.user": "admin admin admin admin",
    "auth.group": "admin - - -",
    "captcha.budget": "viewer developer developer developer",
    "captcha.solve": "viewer - - -",
    "captcha.solveraccount": "operator admin admin admin",
    "credentials.credential": "operator admin admin admin",
    "databases.appdbobject": "viewer - - -",
    "databases.connection": "operator admin admin admin",
    "django_celery_beat.clockedschedule": "developer admin developer admin",
    "django_celery_beat.crontabschedule": "developer admin developer admin",
    "django_celery_beat.intervalschedule": "developer admin developer admin",
    "django_celery_beat.periodictask": "developer admin developer admin",
    "django_celery_beat.solarschedule": "developer admin developer admin",
    "logs.errorgroup": "viewer - operator -",
    "logs.journalfile": "- - - -",
    "logs.log": "viewer - - -",
    "logs.logrejected": "- - - -",
    "logs.sinkcursor": "viewer - - -",
    "logs.swepttable": "viewer - - -",
    "notifications.channel": "operator admin admin admin",
    "notifications.delivery": "operator - - admin",
    "oauth2_provider.accesstoken": "admin - - -",
    "oauth2_provider.grant": "admin - - -",
    "oauth2_provider.idtoken": "admin - - -",
    "oauth2_provider.refreshtoken": "admin - - -",
    "proxies.provider": "operator admin admin admin",
    "proxies.proxyban": "operator - - -",
    "proxies.proxyexit": "operator - - admin",
    "proxies.proxyreservation": "operator - - admin",
    "proxies.proxytarget": "operator - - admin",
    "politeness.site": "viewer - operator -",
    "quality.dataset": "viewer - - -",
    "quality.quarantinedrow": "viewer - - -",
    "quality.rule": "viewer developer developer developer",
    "registry.app": "viewer - operator admin",
    "registry.appgroup": "viewer developer developer admin",
    "registry.appparent": "viewer developer developer admin",
    "runtime.appfunction": "viewer - - -",
    "runtime.bulkjob": "viewer - - -",
    "runtime.command": "viewer - - -",
    "runtime.functionlog": "viewer - - -",
    "runtime.itemqueue": "viewer - - -",
    "runtime.mark": "- - - -",
    "runtime.node": "viewer - - -",
    "runtime.runtime": "viewer - - -",
}
#: Tables of collected rows: those of any source.
TABLE = "viewer - - -"
#: Of these a role for a part opens the list, with that part in it; of all others it opens nothing.
PARTIAL = {
    "captcha.solve",
    # Of these, those one has drawn up oneself.
    "runtime.bulkjob",
    *("registry.app", "registry.appgroup", "registry.appparent", "runtime.runtime", "runtime.command"),
    "runtime.itemqueue",
    *("runtime.appfunction", "runtime.functionlog", "logs.log", "databases.appdbobject", "credentials.credential"),
}

#: Model and action -> who is the least that is offered it.
ACTIONS: dict[str, str] = {
    "accounts.lockout unlock": "admin",
    "captcha.solveraccount check_balances": "admin",
    "django_celery_beat.periodictask disable_tasks": "developer",
    "django_celery_beat.periodictask enable_tasks": "developer",
    "django_celery_beat.periodictask run_tasks": "developer",
    "django_celery_beat.periodictask toggle_tasks": "developer",
    "logs.errorgroup reopen": "operator",
    "logs.errorgroup resolve": "operator",
    "logs.errorgroup snooze_a_day": "operator",
    "logs.errorgroup snooze_a_week": "operator",
    "logs.errorgroup take": "operator",
    "notifications.delivery send_again": "admin",
    "oauth2_provider.accesstoken revoke_tokens": "admin",
    "oauth2_provider.refreshtoken revoke_tokens": "admin",
    "proxies.proxyban lift_bans": "operator",
    "proxies.proxyexit judge_again": "operator",
    "proxies.proxyreservation ban_addresses": "operator",
    "proxies.proxyreservation release_leases": "operator",
    "quality.quarantinedrow discard_rows": "operator",
    "quality.quarantinedrow replay_rows": "operator",
    "registry.app assign_owner": "operator",
    "registry.app change_schedule": "operator",
    "registry.app clear_failures": "operator",
    "registry.app disable_apps": "operator",
    "registry.app enable_apps": "operator",
    "registry.app export_apps": "viewer",
    "registry.app keep_apps": "operator",
    "registry.app remove_apps": "admin",
    "registry.app restart_apps": "operator",
    "registry.app start_apps": "operator",
    "registry.app stop_apps": "operator",
    "runtime.itemqueue begin_anew": "operator",
    "runtime.node drain": "operator",
    "runtime.node undrain": "operator",
    "runtime.runtime export_runs": "viewer",
    "runtime.runtime run_again": "operator",
    "runtime.runtime stop_runs": "operator",
}

#: Name -> method, path and who is the least that gets in. {app} and {run} are what "foreign" has no grant for.
ROUTES: dict[str, tuple[str, str, str]] = {
    "": ("get", "/", "anybody"),
    "admin:accounts_client_end_tokens": ("post", "/admin/accounts/client/{client}/end-tokens/", "admin"),
    "admin:accounts_client_new_secret": ("post", "/admin/accounts/client/{client}/new-secret/", "admin"),
    "admin:accounts_user_end_sessions": ("post", "/admin/accounts/user/{person}/end-sessions/", "admin"),
    "admin:accounts_user_login_link": ("post", "/admin/accounts/user/{person}/login-link/", "admin"),
    "admin:accounts_user_reset_second_factor": (
        "post",
        "/admin/accounts/user/{person}/reset-second-factor/",
        "admin",
    ),
    "admin:app_list": ("get", "/admin/registry/", "viewer"),
    "admin:auth_user_password_change": ("get", "/admin/accounts/user/{person}/password/", "admin"),
    "admin:autocomplete": (
        "get",
        "/admin/autocomplete/?app_label=credentials&model_name=credential&field_name=app&term=x",
        "viewer",
    ),
    "admin:databases_connection_test": ("post", "/admin/databases/connection/0/test/", "admin"),
    "admin:first_steps_hide": ("post", "/admin/first-steps/hide/", "guest"),
    "admin:home_live": ("get", "/admin/live/", "viewer"),
    "admin:index": ("get", "/admin/", "guest"),
    "admin:jsi18n": ("get", "/admin/jsi18n/", "guest"),
    "admin:login": ("get", "/admin/login/", "anybody"),
    "admin:logout": ("post", "/admin/logout/", "anybody"),
    "admin:notifications_channel_test": ("post", "/admin/notifications/channel/0/test/", "admin"),
    "admin:password_change": ("get", "/admin/password_change/", "guest"),
    "admin:password_change_done": ("get", "/admin/password_change/done/", "guest"),
    "admin:registry_app_command": ("post", "/admin/registry/app/{app}/command/?verb=START", "operator"),
    "admin:registry_app_live": ("get", "/admin/registry/app/{app}/live/", "viewer"),
    "admin:registry_app_start": ("get", "/admin/registry/app/{app}/start/", "operator"),
    "admin:run_log_counts": ("get", "/admin/runtime/runtime/{run}/log/counts/", "viewer"),
    "admin:run_log_download": ("get", "/admin/runtime/runtime/{run}/log/download/", "viewer"),
    "admin:run_log_line": ("get", "/admin/runtime/runtime/{run}/log/line/?n=x", "viewer"),
    "admin:run_log_lines": ("get", "/admin/runtime/runtime/{run}/log/lines/", "viewer"),
    "admin:run_log_locate": ("get", "/admin/runtime/runtime/{run}/log/locate/", "viewer"),
    "admin:run_log_matches": ("get", "/admin/runtime/runtime/{run}/log/matches/", "viewer"),
    "admin:run_log_page": ("get", "/admin/runtime/runtime/{run}/log/", "viewer"),
    "admin:runtime_bulkjob_cancel": ("post", "/admin/runtime/bulkjob/{run}/cancel/", "viewer"),
    "admin:runtime_bulkjob_confirm": ("post", "/admin/runtime/bulkjob/{run}/confirm/", "viewer"),
    "admin:runtime_bulkjob_live": ("get", "/admin/runtime/bulkjob/{run}/live/", "viewer"),
    "admin:runtime_bulkjob_undo": ("post", "/admin/runtime/bulkjob/{run}/undo/", "viewer"),
    "admin:runtime_functionlog_tree": ("get", "/admin/runtime/functionlog/tree/{run}/", "viewer"),
    "admin:runtime_runtime_compare": ("get", "/admin/runtime/runtime/{run}/compare/", "viewer"),
    "admin:runtime_runtime_live": ("get", "/admin/runtime/runtime/{run}/live/", "viewer"),
    "admin:runtime_runtime_stop": ("post", "/admin/runtime/runtime/{run}/stop/", "operator"),
    "admin:search": ("get", "/admin/search/", "guest"),
    "admin:columns": ("post", "/admin/columns/?place=runtime.runtime", "viewer"),
    "admin:palette_act": ("post", "/admin/palette/act/?verb=STOP&app={app}", "operator"),
    "admin:palette_command": ("get", "/admin/palette/command/0/", "guest"),
    "admin:preferences": ("post", "/admin/preferences/", "guest"),
    "admin:views_change": ("post", "/admin/views/0/", "guest"),
    "admin:views_keep": ("post", "/admin/views/?place=runtime.runtime", "viewer"),
    "admin:politeness_site_close_circuits": ("post", "/admin/politeness/site/0/close-circuits/", "operator"),
    "admin:politeness_site_forget_robots": ("post", "/admin/politeness/site/0/forget-robots/", "operator"),
    "admin:quality_dataset_let_through": ("post", "/admin/quality/dataset/0/let-through/", "operator"),
    "admin:system": ("get", "/admin/system/", "viewer"),
    "admin:system_live": ("get", "/admin/system/live/", "viewer"),
    "admin:tables": ("get", "/admin/tables/", "guest"),
    "admin:timeline": ("get", "/admin/timeline/", "viewer"),
    "admin:timeline_live": ("get", "/admin/timeline/live/", "viewer"),
    "admin:view_on_site": ("get", "/admin/r/0/0/", "guest"),
    "api-description": ("get", "/api/v1/openapi.json", "guest"),
    "demo:api-book": ("get", "/demo/api/books/0", "anybody"),
    "demo:api-list": ("get", "/demo/api/books", "anybody"),
    "demo:book": ("get", "/demo/books/0/", "anybody"),
    "demo:list": ("get", "/demo/", "anybody"),
    "demo:outlet": ("get", "/demo/outlet/", "anybody"),
    "demo:outlet-copy": ("get", "/demo/outlet/0/", "anybody"),
    "demo:trade": ("get", "/demo/trade/", "anybody"),
    "demo:trade-login": ("get", "/demo/trade/login/", "anybody"),
    "judge": ("get", "/judge", "anybody"),
    "language": ("post", "/language/", "guest"),
    "metrics": ("get", "/metrics", "viewer"),
    "openid": ("get", "/login/openid/", "anybody"),
    "openid-back": ("get", "/login/openid/back/", "anybody"),
    "own-second-factor": ("get", "/account/second-factor/", "guest"),
    "second-factor": ("get", "/login/second-factor/", "anybody"),
    "login-link": ("get", "/login/x/", "anybody"),
    "oauth2_provider:authorize": ("get", "/oauth/authorize/?client_id=x", "guest"),
    "oauth2_provider:revoke-token": ("post", "/oauth/revoke/", "anybody"),
    "oauth2_provider:token": ("post", "/oauth/token/", "anybody"),
}

#: Operation of the API -> the permission it takes (`apps/accounts/roles.py` has who has it); tokens need its scope.
OPERATIONS: dict[str, str] = {
    "changeApp": "registry.change_app",
    "changeCaptchaBudget": "captcha.change_budget",
    "changeChannel": "notifications.change_channel",
    "changeClient": "accounts.change_client",
    "changeConnection": "databases.change_connection",
    "changeError": "runtime.add_command",
    "changeGroup": "registry.change_appgroup",
    "changeParent": "registry.change_appparent",
    "changePeriodicTask": "django_celery_beat.change_periodictask",
    "changePerson": "accounts.change_user",
    "changeProxyProvider": "proxies.change_provider",
    "changeRule": "quality.change_rule",
    "changeSite": "politeness.change_site",
    "closeCircuits": "politeness.change_site",
    "commandApps": "registry.view_app",
    "createApp": "registry.add_appparent",
    "createCaptchaBudget": "captcha.add_budget",
    "createChannel": "notifications.add_channel",
    "createClient": "accounts.add_client",
    "createConnection": "databases.add_connection",
    "createGrant": "accounts.add_rolegrant",
    "createGroup": "registry.add_appgroup",
    "createParent": "registry.add_appparent",
    "createPerson": "accounts.add_user",
    "createProxyBan": "proxies.add_proxyban",
    "createProxyProvider": "proxies.add_provider",
    "createRule": "quality.add_rule",
    "datasetMetrics": "quality.view_dataset",
    "deleteChannel": "notifications.delete_channel",
    "deleteClient": "accounts.delete_client",
    "deleteConnection": "databases.delete_connection",
    "deleteCredential": "credentials.delete_credential",
    "deleteGrant": "accounts.delete_rolegrant",
    "deleteItemQueue": "runtime.add_command",
    "deleteGroup": "registry.delete_appgroup",
    "deleteParent": "registry.delete_appparent",
    "deletePerson": "accounts.delete_user",
    "deleteProxyProvider": "proxies.delete_provider",
    "deleteRule": "quality.delete_rule",
    "disableApp": "registry.change_app",
    "discardRows": "quality.change_quarantinedrow",
    "drainNode": "runtime.add_command",
    "enableApp": "registry.change_app",
    "endClientTokens": "accounts.change_client",
    "endSessions": "accounts.change_user",
    "exportRows": "registry.export_app",
    "functionTrend": "runtime.view_runtime",
    "getApp": "registry.view_app",
    "getCaptchaBudget": "captcha.view_budget",
    "getChannel": "notifications.view_channel",
    "getClient": "accounts.view_client",
    "getCommand": "runtime.view_command",
    "getConnection": "databases.view_connection",
    "getDataset": "quality.view_dataset",
    "getError": "logs.view_log",
    "getGroup": "registry.view_appgroup",
    "getHealth": "runtime.view_node",
    "getMetrics": "runtime.view_node",
    "getNode": "runtime.view_node",
    "getParent": "registry.view_appparent",
    "getPeriodicTask": "django_celery_beat.view_periodictask",
    "getPerson": "accounts.view_user",
    "getProxyProvider": "proxies.view_provider",
    "getQuarantined": "quality.view_quarantinedrow",
    "getRule": "quality.view_rule",
    "getRun": "runtime.view_runtime",
    "getSystem": "runtime.view_node",
    "keepApp": "registry.change_app",
    "letThrough": "quality.add_letthrough",
    "listApps": "registry.view_app",
    "listAudit": "accounts.view_auditentry",
    "listCaptchaBudgets": "captcha.view_budget",
    "listSolverAccounts": "captcha.view_solveraccount",
    "listSolves": "captcha.view_solve",
    "listChannels": "notifications.view_channel",
    "listClients": "accounts.view_client",
    "listCommands": "runtime.view_command",
    "listConnections": "databases.view_connection",
    "listCredentials": "credentials.view_credential",
    "listDatasets": "quality.view_dataset",
    "listDeliveries": "notifications.view_delivery",
    "listErrors": "logs.view_log",
    "listFunctions": "runtime.view_runtime",
    "listGrants": "accounts.view_rolegrant",
    "listGroups": "registry.view_appgroup",
    "listLockouts": "accounts.view_lockout",
    "listItemQueues": "runtime.view_itemqueue",
    "listNodes": "runtime.view_node",
    "listObjects": "databases.view_appdbobject",
    "getSite": "politeness.view_site",
    "listSites": "politeness.view_site",
    "issueTicket": "runtime.view_runtime",
    "listParents": "registry.view_appparent",
    "listPeople": "accounts.view_user",
    "listPeriodicTasks": "django_celery_beat.view_periodictask",
    "liftProxyBan": "proxies.delete_proxyban",
    "listProxyBans": "proxies.view_proxyban",
    "listProxyExits": "proxies.view_proxyexit",
    "listProxyLeases": "proxies.view_proxyreservation",
    "listProxyProviders": "proxies.view_provider",
    "listProxySites": "proxies.view_proxytarget",
    "listQuarantine": "quality.view_quarantinedrow",
    "listRetention": "logs.view_log",
    "listRoles": "auth.view_group",
    "listRows": "registry.view_app",
    "listRules": "quality.view_rule",
    "listRuns": "runtime.view_runtime",
    "listTables": "registry.view_app",
    "makeLoginLink": "accounts.add_loginlink",
    "newClientSecret": "accounts.change_client",
    "readLog": "logs.view_log",
    "releaseProxyLease": "proxies.change_proxyreservation",
    "removeApp": "registry.delete_app",
    "reportSolve": "captcha.change_solve",
    "reopenError": "runtime.add_command",
    "replayRows": "quality.change_quarantinedrow",
    "resolveError": "runtime.add_command",
    "restartApp": "runtime.add_command",
    "retryDelivery": "notifications.change_channel",
    "rowVersions": "registry.view_app",
    "runFunctions": "runtime.view_runtime",
    "runPeriodicTask": "django_celery_beat.change_periodictask",
    "searchLogs": "logs.view_log",
    "setCredential": "credentials.change_credential",
    "snoozeError": "runtime.add_command",
    "startApp": "runtime.add_command",
    "stopApp": "runtime.add_command",
    "stopRun": "runtime.add_command",
    "testChannel": "notifications.change_channel",
    "testConnection": "databases.change_connection",
    "undrainNode": "runtime.add_command",
    "unlockLockout": "accounts.delete_lockout",
}

PARAMETER = re.compile(r"\{\w+\}")
JSON = {"data": "{}", "content_type": "application/json"}

#: Path of a WebSocket -> who is the least that is let in.
SOCKETS = {"ws/runtimes/<str:run_id>/log": "viewer", "ws/dashboard": "viewer"}

#: Topic of the dashboard -> who is the least that may watch it.
TOPICS = {
    "home": "viewer",
    "apps": "viewer",
    "runs": "viewer",
    "timeline": "viewer",
    "commands": "viewer",
    "managers": "viewer",
    "system": "viewer",
    "app:{app}": "viewer",
    "run:{run}": "viewer",
}


#: Who may only look opens the page of a row as well; so it counts what becomes of a form that is sent.
METHODS = {"view": "get", "add": "get", "change": "post", "delete": "get"}


def is_let_in(who: str, least: str) -> bool:
    """Whether the tables let somebody in who is no "foreign"."""
    order = ("anonymous", "guest", *RANKS)
    if least in ("-", "nobody"):
        return False
    return least == "anybody" or order.index(who if who != "foreign" else "guest") >= order.index(least)


@pytest.fixture
def app() -> App:
    return make_app(is_enabled=True)


@pytest.fixture
def run(app: App) -> Runtime:
    return make_run(app, State.SUCCEEDED)


def person_called(who: str) -> User | None:
    if who == "anonymous":
        return None
    person = make_person(who if who in RANKS else "", name=who)
    if who == "foreign":
        grant(person, "developer", make_app("elsewhere.other.thing"), whole="group")
    return person


def asked(browser: Client, method: str, path: str, **options: Any) -> str:
    """What became of it: in, refused, absent, or sent to sign in."""
    response = getattr(browser, method)(path, **options)
    if response.status_code == HTTPStatus.FOUND and "/login/?next=" in response["Location"]:
        return "sign in"
    return {403: "refused", 401: "sign in", 404: "absent"}.get(response.status_code, "in")


@pytest.mark.parametrize("who", WHO)
def test_collected_rows_are_taken_away_by_operators(who: str) -> None:
    person, browser = person_called(who), Client()
    if person is not None:
        browser.force_login(person)
    for _room, table in tables():
        address = f"/admin/{table._meta.app_label}/{table._meta.model_name}/export/"
        found = asked(browser, "post", address)
        assert found == ("in" if is_let_in(who, "operator") else "sign in" if person is None else "refused"), address


def model_pages() -> Iterator[tuple[type[Model], str, str, str]]:
    """Model, page, path, and who is the least that gets in."""
    for model in admin.site._registry:
        label = model._meta.label_lower
        levels = MODELS.get(label, TABLE if model in {table for _room, table in tables()} else "")
        assert levels, f"{label} is not in MODELS: who may view, add, change and delete it?"
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        view, add, change, delete = levels.split()
        yield model, "view", base, view
        yield model, "add", f"{base}add/", add
        yield model, "change", f"{base}0/change/", change
        yield model, "delete", f"{base}0/delete/", delete


def _rank(level: str) -> int:
    return (*RANKS, "-").index(level)


@pytest.mark.parametrize("who", WHO)
def test_the_pages_of_every_model(who: str, rf: RequestFactory) -> None:
    person, browser, wrong = person_called(who), Client(), []
    request: Any = rf.get("/")
    if person is not None:
        browser.force_login(person)
        request.user = person
    for model, page, path, least in model_pages():
        label = model._meta.label_lower
        is_of_a_part = who == "foreign" and label in PARTIAL and page != "add" and _rank(least) < RANKS.index("admin")
        if is_let_in(who, least) or is_of_a_part:
            # What it shows is tested where the page is; here it counts that the page lets them in.
            if not getattr(admin.site._registry[model], f"has_{page}_permission")(request):
                wrong.append(f"{who} {page} {label}: refused")
            continue
        found = asked(browser, METHODS[page], path)
        # Pages of our own say "there is none" to who may look, and know no form that could be sent.
        is_own = (
            page in ("add", "change") and found == "absent" and admin.site._registry[model].has_view_permission(request)
        )
        if found != ("sign in" if person is None else "refused") and not is_own:
            wrong.append(f"{who} {page} {label}: {found}, not refused")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", WHO)
def test_every_other_route(who: str, app: App, run: Runtime) -> None:
    other, (client, _secret) = make_person("viewer", name="somebody else"), make_client()
    wrong = []
    for name, (method, path, least) in ROUTES.items():
        browser = Client()
        if (person := User.objects.filter(username=who).first() or person_called(who)) is not None:
            browser.force_login(person)
        is_about_an_app = "{app}" in path or "{run}" in path
        address = path.format(app=app.pk, run=run.pk, person=other.pk, client=client.pk)
        data = dict(parse_qsl(urlsplit(address).query))
        found = asked(browser, method, urlsplit(address).path, data=data)
        if is_let_in(who, least):
            expected = {"in", "absent"}
        elif name == "metrics" or who == "anonymous":
            expected = {"sign in"}
        elif who == "foreign" and is_about_an_app:
            expected = {"absent"}
        elif who == "foreign" and least in RANKS[:3] and "{" not in path:
            expected = {"in", "refused"}
        else:
            expected = {"refused", "absent"} if name == "admin:app_list" or "/0/" in path else {"refused"}
        if found not in expected:
            wrong.append(f"{who} {name}: {found}, not {' or '.join(sorted(expected))}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", WHO[1:])
def test_every_action_is_offered_to_those_who_may(who: str, rf: RequestFactory) -> None:
    person, wrong = person_called(who), []
    request: Any = rf.get("/")
    request.user = person
    for model, page in admin.site._registry.items():
        label = model._meta.label_lower
        offered = set(page.get_actions(request)) - {"delete_selected"}
        for name in {name for name in page.actions or () if isinstance(name, str)}:
            least = ACTIONS.get(f"{label} {name}", "nobody")
            is_expected = is_let_in(who, least) or (who == "foreign" and label in PARTIAL and least in RANKS[:3])
            if (name in offered) != is_expected:
                wrong.append(f"{who} {label} {name}: {'offered' if name in offered else 'not offered'}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", WHO)
def test_every_operation_of_the_api(who: str, app: App, run: Runtime) -> None:
    person, wrong = person_called(who), []
    browser = Client(raise_request_exception=False)
    if person is not None:
        browser.force_login(person)
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                address = f"/api/v1/{path.lstrip('/')}".replace("{code}", app.code).replace("{run_id}", run.pk)
                address = PARAMETER.sub("0", address)
                for method in operation.methods:
                    found = asked(browser, method.lower(), address, **(JSON if method != "GET" else {}))
                    needed = OPERATIONS.get(str(operation.operation_id), "")
                    if who == "anonymous":
                        expected = {"sign in"}
                    elif person is not None and may(person, needed):
                        # Whose part it is of does not matter here: see the test below.
                        expected = {"in", "absent"}
                    else:
                        expected = {"refused"}
                    if found not in expected:
                        wrong.append(f"{who} {operation.operation_id}: {found}, not {' or '.join(sorted(expected))}")

    assert not wrong, "\n".join(wrong)


def test_no_operation_shows_or_does_anything_with_a_foreign_app(app: App, run: Runtime) -> None:
    client, secret = make_client(scopes=["read", "run", "write"])
    grant(client, "admin", make_app("elsewhere.other.thing"), whole="group")
    bearer = {"authorization": f"Bearer {token_of(client, secret, 'read run write')}"}
    wrong = []
    for router in api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                if "{" not in path:
                    continue
                address = f"/api/v1/{path.lstrip('/')}".replace("{code}", app.code).replace("{run_id}", run.pk)
                for method in operation.methods:
                    response = getattr(Client(headers=bearer), method.lower())(
                        PARAMETER.sub("0", address), **(JSON if method != "GET" else {})
                    )
                    # Some are refused for what they were sent, before anybody looks for the app.
                    if not HTTPStatus.BAD_REQUEST <= response.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
                        wrong.append(f"{method} {path}: {response.status_code}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("who", WHO)
def test_every_websocket(who: str, app: App, run: Runtime, settings: Any) -> None:
    person = person_called(who)
    cookie = f"{settings.SESSION_COOKIE_NAME}={session_of(person)}" if person is not None else ""
    headers = [(b"host", b"localhost"), (b"origin", b"http://localhost"), (b"cookie", cookie.encode())]
    held = pass_of_session({"headers": headers, "scheme": "ws"})

    assert (held is not None) is (person is not None)
    follows = held is not None and admit_pass(held, run.pk) is not None
    watches = dashboard.admit(held) if held is not None else None
    assert follows is is_let_in(who, SOCKETS["ws/runtimes/<str:run_id>/log"])
    # With a grant for something one may watch that; the topics below are about something else.
    assert (watches is not None) is (who == "foreign" or is_let_in(who, SOCKETS["ws/dashboard"]))
    for name, least in TOPICS.items():
        topic = topic_of(name.format(app=app.pk, run=run.pk))
        assert topic is not None
        snapshot = take_snapshot([topic])
        codes = watches[1].codes[topic.permission] if watches is not None else ()
        is_told = snapshot.version(topic, codes) is not None and any(snapshot.rows(topic, codes))
        has_rows = name not in ("commands", "managers", "system")
        assert is_told is (is_let_in(who, least) and has_rows), name


def test_whatever_can_be_reached_is_in_the_tables() -> None:
    usual = {
        f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}"
        for model in admin.site._registry
        for page in ("changelist", "add", "history", "delete", "change")
    }
    usual |= {f"admin:{table._meta.app_label}_{table._meta.model_name}_export" for _room, table in tables()}
    found = dict(_routes(get_resolver(), "", ""))
    operations = {
        str(operation.operation_id): operation.auth_callbacks[0]
        for router in api._get_bound_routers()
        for view in router.path_operations.values()
        for operation in view.operations
    }

    assert {name for name in found.values() if not name.startswith("api:")} - usual == set(ROUTES)
    assert {name: auth.permission for name, auth in operations.items() if isinstance(auth, Needs)} == OPERATIONS
    assert {str(route.pattern) for route in websockets.routes} - {""} == set(SOCKETS)
    assert {name.partition(":")[0] for name in TOPICS} == {*LISTS, *ROWS}
    assert {
        f"{model._meta.label_lower} {name}"
        for model, page in admin.site._registry.items()
        for name in page.actions or ()
        if isinstance(name, str)
    } - {"oauth2_provider.grant revoke_tokens", "oauth2_provider.idtoken revoke_tokens"} == set(ACTIONS)
    assert set(MODELS) == {
        model._meta.label_lower for model in admin.site._registry if model not in {table for _room, table in tables()}
    }


def _routes(resolver: URLResolver, namespace: str, prefix: str) -> Iterator[tuple[str, str]]:
    """Path and name of every address; those without a name that only lead to a page of the admin are left out."""
    for entry in resolver.url_patterns:
        path = f"{prefix}{entry.pattern}"
        if isinstance(entry, URLPattern):
            if entry.name or not path.startswith("admin/"):
                yield path, f"{namespace}{entry.name or ''}"
        else:
            yield from _routes(entry, f"{namespace}{entry.namespace}:" if entry.namespace else namespace, path)
