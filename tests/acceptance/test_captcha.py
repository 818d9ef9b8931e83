"""Processes that buy captchas and are killed: whatever they had come to, the ledger is right in the end."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from apps.captcha.budget import ALL
from apps.captcha.ledger import LEASE
from apps.captcha.models import Solve, SolverAccount, Spending
from apps.captcha.settling import PATIENCE, settle
from apps.core.clock import utc_now
from tests.integration.factories import make_app
from tests.servers.anticaptcha import anticaptcha

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)

ROOT = Path(__file__).parent.parent.parent
BUYER = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
import structlog
from apps.captcha.ledger import DjangoLedger
from collectors.identity import parse_code
from collectors.toolkit.captcha import RecaptchaV2
from collectors.toolkit.captcha.solver import Solver
ledger = DjangoLedger(parse_code(sys.argv[1]), app_id=int(sys.argv[2]), runtime_id="r" * 32)
solver = Solver(ledger, log=structlog.get_logger("test"))
print(solver.solve(RecaptchaV2(url="https://shop.example/login", site_key="k")).task_id)
"""


def test_a_buyer_that_is_killed_leaves_books_that_agree_with_the_shops() -> None:
    app = make_app()
    command = [sys.executable, "-c", BUYER, app.code, str(app.pk)]
    with anticaptcha() as shop:
        SolverAccount.objects.create(name="shop", url=shop.url, key=shop.key, poll_s=0.05, timeout_s=60)
        shop.is_working.clear()
        shop.create_gate.clear()
        unanswered = subprocess.Popen(command, cwd=ROOT, env=os.environ)
        shop.wait_for(tasks=1)
        unanswered.kill()
        unanswered.wait(30)
        shop.create_gate.set()
        waiting = subprocess.Popen(command, cwd=ROOT, env=os.environ)
        with shop.changed:
            assert shop.changed.wait_for(lambda: shop.count("getTaskResult") > 0, 60)
        waiting.kill()
        waiting.wait(30)
        lost = list(Solve.objects.order_by("pk").values_list("state", "task_id"))
        assert lost == [("SUBMITTED", ""), ("SUBMITTED", "1002")]

        shop.is_working.set()
        # As if their leases had run out.
        Solve.objects.update(held_until=utc_now() - PATIENCE - LEASE)
        heir = subprocess.run(command, cwd=ROOT, env=os.environ, timeout=60, capture_output=True, text=True, check=True)
        assert heir.stdout.strip().splitlines()[-1] == "1002", "what was bought is collected, not bought again"
        settle(now=utc_now() + timedelta(seconds=1))

        assert list(Solve.objects.order_by("pk").values_list("state", flat=True)) == ["UNKNOWN", "READY"]
        assert len(shop.tasks) == 2
        rows = sum(row.cost for row in Solve.objects.all())
        # Midnight may have passed meanwhile.
        assert rows == shop.spent == sum(day.spent for day in Spending.objects.filter(app_code=ALL))
