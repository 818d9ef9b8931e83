"""Under the content security policy: every page of the house works, and nothing that was slipped into one runs."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse
from playwright.sync_api import Page

from apps.accounts.services import ensure_administrator, issue_login_link
from apps.core.clock import utc_now
from tests.e2e.conftest import Complaints, SignIn
from tests.integration.factories import make_app, make_run

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

#: Those with widgets of their own.
FORMS = (
    *("accounts/client", "accounts/rolegrant", "auth/group", "credentials/credential", "databases/connection"),
    *("django_celery_beat/periodictask", "notifications/channel", "quality/rule"),
)
#: A page that names what the policy refused in it; the browser's own words go to its console.
HEAR = """addEventListener('securitypolicyviolation', event => (window.refused ??= []).push(
    `${event.violatedDirective} ${event.sourceFile}:${event.lineNumber} ${event.target?.outerHTML?.slice(0, 200)}`))"""


def test_every_list_and_form_keeps_to_the_policy(complaints: Complaints, sign_in: SignIn) -> None:
    complaints.expect("404")
    run = make_run(make_app(is_enabled=True))
    page = sign_in()
    page.add_init_script(HEAR)
    refused = {}
    models = [model._meta for model in admin.site._registry]
    pages = [reverse(f"admin:{model.app_label}_{model.model_name}_changelist") for model in models]
    pages += [f"/admin/{name}/add/" for name in FORMS]
    pages += ["/admin/password_change/", "/admin/no/such/page/", f"/admin/runtime/runtime/{run.pk}/log/"]
    for address in pages:
        page.goto(address, wait_until="load")
        if found := page.evaluate("window.refused"):
            refused[address] = found

    assert refused == {}


def test_nothing_slipped_into_a_page_runs(page: Page, complaints: Complaints) -> None:
    complaints.expect("Content Security Policy", "404", "missing")
    for address in ("/admin/login/", issue_login_link(user=ensure_administrator(), now=utc_now()), "/no/such/page/"):
        page.goto(address)
        tried = page.evaluate(
            """() => new Promise(done => {
                addEventListener('securitypolicyviolation', e => done(e.violatedDirective));
                document.body.insertAdjacentHTML('beforeend', '<img src="/missing" onerror="window.ran = true">');
                const script = document.createElement('script');
                script.textContent = 'window.ran = true';
                document.body.append(script);
                setTimeout(() => done('nothing was refused'), 3000);
            })"""
        )
        assert tried.startswith("script-src")
        assert page.evaluate("window.ran") is None, address
