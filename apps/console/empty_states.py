"""What an empty list says: why it is empty, and the next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from apps.accounts.policy import may
from apps.records.models import DataTable


@dataclass(frozen=True, slots=True)
class Empty:
    """A sentence, and where the next step is: title, URL name and the permission it takes."""

    text: Any
    step: tuple[Any, str, str] | None = None


_TO_APPS = (_("Go to the apps"), "admin:registry_app_changelist", "registry.view_app")
_TO_RUNS = (_("Go to the runs"), "admin:runtime_runtime_changelist", "runtime.view_runtime")

#: Model -> what its list says when there is nothing at all.
STATES: dict[str, Empty] = {
    "accounts.auditentry": Empty(_("Nobody has changed anything yet. What people and programs do stands here.")),
    "accounts.client": Empty(_("No program uses the API yet. Add a client for each that should.")),
    "accounts.lockout": Empty(_("Nobody is locked out, and no wrong password is counted.")),
    "accounts.loginlink": Empty(_("No login link was made. The page of a user has a button for that.")),
    "accounts.rolegrant": Empty(_("Every role holds everywhere. A grant gives a role for a part of the apps.")),
    "accounts.user": Empty(_("There is nobody you may see.")),
    "auth.group": Empty(_("There are no roles yet. manage.py loginlink makes them.")),
    "captcha.budget": Empty(_("Every app may spend what a new installation allows. A budget of its own says else.")),
    "captcha.solve": Empty(_("No captcha was bought yet. A source asks for one by context.captcha.solve.")),
    "captcha.solveraccount": Empty(_("Nobody solves captchas yet. Add an account at a solver.")),
    "credentials.credential": Empty(_("No credentials are kept. Add those that a source signs in with.")),
    "databases.appdbobject": Empty(_("No run has touched a table yet. Start an app that stores rows."), _TO_APPS),
    "databases.connection": Empty(_("No other database is known. Add one to collect into it or from it.")),
    "logs.errorgroup": Empty(_("The inbox is empty: no error waits for anybody."), _TO_RUNS),
    "logs.log": Empty(_("Nothing was logged yet. Start an app, and what it says stands here."), _TO_APPS),
    "logs.sinkcursor": Empty(_("Lines go to the database alone. docs/logging.md says how to send them on.")),
    "logs.swepttable": Empty(_("Nothing was swept yet. Retention looks once a day.")),
    "notifications.channel": Empty(_("Nobody is told when something fails. Add a channel, and test it.")),
    "notifications.delivery": Empty(
        _("No message was sent. Messages need a channel first."),
        (_("Go to the channels"), "admin:notifications_channel_changelist", "notifications.view_channel"),
    ),
    "proxies.provider": Empty(
        _("Everything is fetched directly. Add a provider, and sources may lease its addresses.")
    ),
    "proxies.proxyban": Empty(_("No site has refused an address.")),
    "proxies.proxyexit": Empty(
        _("There is no way out yet. A list has as many as it has lines; a gateway opens one when a run needs it."),
        (_("Go to the providers"), "admin:proxies_provider_changelist", "proxies.view_provider"),
    ),
    "proxies.proxyreservation": Empty(_("No run has leased an address. Its source asks for one (docs/proxies.md).")),
    "proxies.proxytarget": Empty(_("No request has gone by a proxy of a provider yet.")),
    "politeness.site": Empty(_("Nothing was fetched with pauses yet. The first request to a site makes it."), _TO_APPS),
    "quality.dataset": Empty(_("No table is watched yet. Each is, from the first run that stores rows."), _TO_APPS),
    "quality.quarantinedrow": Empty(_("The quarantine is empty: no row was put aside.")),
    "quality.rule": Empty(_("No rule was added here. Rules can also stand in the source.")),
    "registry.app": Empty(_("No app is registered. manage.py startcollector group parent app writes a source.")),
    "registry.appgroup": Empty(_("There are no groups. The first app of a group makes one.")),
    "registry.appparent": Empty(_("There are no parents. The first app of a parent makes one.")),
    "runtime.appfunction": Empty(_("No function was watched yet. Mark one with @fun_watch and run its app."), _TO_APPS),
    "runtime.bulkjob": Empty(_("Nothing was done with many at once. Choose rows in a list, and an action."), _TO_APPS),
    "runtime.command": Empty(_("Nobody has told an app to do anything yet."), _TO_APPS),
    "runtime.functionlog": Empty(_("No run has called a watched function yet."), _TO_RUNS),
    "runtime.itemqueue": Empty(
        _("No list is under way. Sources with resume = True keep theirs here until it is done."), _TO_APPS
    ),
    "runtime.node": Empty(_("No manager was ever started. manage.py up or manage.py manager starts one.")),
    "runtime.runtime": Empty(_("Nothing has run yet. Start an app, or give it a schedule."), _TO_APPS),
}
FOR_TABLES = Empty(_("No run has stored a row here yet. Start the app that fills this table."), _TO_APPS)
FOR_OTHERS = Empty(_("There is nothing here yet."))


@dataclass(frozen=True, slots=True)
class Shown:
    """An empty state as a page shows it."""

    text: Any
    title: Any = ""
    link: str = ""


def empty_state(page: Any, request: HttpRequest) -> Shown:
    """What an empty list says to this person."""
    is_table = isinstance(page.model, type) and issubclass(page.model, DataTable)
    state = STATES.get(page.opts.label_lower, FOR_TABLES if is_table else FOR_OTHERS)
    if state.step is None or not may(request.user, state.step[2]):
        return Shown(state.text)
    return Shown(state.text, state.step[0], reverse(state.step[1]))
