"""Settings as production has them are fine; each of them made careless is told, by one message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core.headers import ADMIN_POLICY
from config.security_checks import check_policies, check_security
from config.settings.reading import BASE_DIR
from tests.unit.config.test_checks import SANE

#: Asks a process of its own, since settings are read once.
ASK = """
import json
from config.settings import production as p
names = [n for n in dir(p) if n.isupper() and n not in ("BASE_DIR", "UNFOLD", "INSTALLED_APPS")]
print(json.dumps({n: getattr(p, n) for n in names}, default=str))
"""


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The settings of Django in the production profile."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}
    told = {**kept, **SANE, "DC_DATA_DIR": str(tmp_path_factory.mktemp("data"))}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=BASE_DIR, env=told, capture_output=True, check=True)
    # Of Django's own defaults, those that are asked for.
    defaults = {"SESSION_COOKIE_DOMAIN": None, "CSRF_COOKIE_DOMAIN": None}
    found: dict[str, Any] = json.loads(done.stdout)
    return {**defaults, **found}


def told(settings: dict[str, Any]) -> list[str]:
    messages = check_security(SimpleNamespace(**settings))
    assert all(message.hint for message in messages)
    return [str(message.id) for message in messages]


def test_production_is_fine(production: dict[str, Any]) -> None:
    assert told(production) == []


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("MIDDLEWARE", [], "dc.E008"),
        ("CORS_ALLOW_ALL_ORIGINS", True, "dc.E010"),
        ("CORS_ALLOW_CREDENTIALS", True, "dc.E010"),
        ("CORS_ALLOWED_ORIGIN_REGEXES", [".*"], "dc.E010"),
        ("CORS_ALLOWED_ORIGINS", ["*"], "dc.E010"),
        ("CORS_ALLOWED_ORIGINS", ["http://app.example.com"], "dc.W012"),
        ("CACHES", {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}, "dc.E011"),
        ("CHANNEL_LAYERS", {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, "dc.E012"),
        ("DC_API_READS_PER_MINUTE", 0, "dc.W013"),
        ("DC_API_WRITES_PER_MINUTE", 0, "dc.W013"),
        ("DC_API_REFUSALS_PER_MINUTE", 0, "dc.W013"),
        ("DC_METRICS_TOKEN", SANE["DC_SECRET_KEY"], "dc.E013"),
        ("DC_SECRETS_KEYS", SANE["DC_SECRET_KEY"], "dc.E013"),
        ("DC_METRICS_TOKEN", "a" * 40, "dc.E014"),
        ("DC_METRICS_TOKEN", "prometheus", "dc.E014"),
        ("CELERY_BROKER_URL", "amqp://guest:guest@mq.example.com/", "dc.W014"),
        ("CELERY_ACCEPT_CONTENT", ["json", "pickle"], "dc.E016"),
        ("CELERY_TASK_SERIALIZER", "pickle", "dc.E016"),
        ("CELERY_WORKER_ENABLE_REMOTE_CONTROL", True, "dc.W015"),
        ("AUTHENTICATION_BACKENDS", ["django.contrib.auth.backends.ModelBackend"], "dc.E017"),
        ("PASSWORD_HASHERS", ["django.contrib.auth.hashers.MD5PasswordHasher"], "dc.E018"),
        ("AUTH_PASSWORD_VALIDATORS", [], "dc.E018"),
        ("SESSION_COOKIE_NAME", "sessionid", "dc.E019"),
        ("CSRF_COOKIE_NAME", "csrftoken", "dc.E019"),
        ("SESSION_COOKIE_SAMESITE", "None", "dc.E019"),
        ("SESSION_COOKIE_DOMAIN", ".example.com", "dc.E019"),
        ("DATA_UPLOAD_MAX_MEMORY_SIZE", None, "dc.W016"),
        ("DATA_UPLOAD_MAX_NUMBER_FIELDS", None, "dc.W016"),
        ("DC_MAX_BODY_BYTES", 2**40, "dc.W016"),
    ],
)
def test_each_made_careless_is_told(production: dict[str, Any], name: str, value: Any, expected: str) -> None:
    assert told({**production, name: value}) == [expected]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PKCE_REQUIRED", False),
        ("ROTATE_REFRESH_TOKEN", False),
        ("REFRESH_TOKEN_REUSE_PROTECTION", False),
        ("ALLOW_URI_WILDCARDS", True),
        ("ALLOWED_REDIRECT_URI_SCHEMES", ["https", "http"]),
        ("DCR_ENABLED", True),
        ("COMPLIANT_BCP_RFC9700_PASSWORD_GRANT", False),
        ("ACCESS_TOKEN_EXPIRE_SECONDS", 36_000),
    ],
)
def test_oauth_made_careless_is_told(production: dict[str, Any], name: str, value: Any) -> None:
    assert told({**production, "OAUTH2_PROVIDER": {**production["OAUTH2_PROVIDER"], name: value}}) == ["dc.E015"]


@pytest.mark.parametrize("loose", ["'unsafe-inline'", "*", "https:", "data:"])
def test_a_policy_with_a_hole_is_told(loose: str) -> None:
    policy = {**ADMIN_POLICY, "script-src": ("'self'", loose)}

    assert [message.id for message in check_policies(None, (policy,))] == ["dc.E009"]
    assert [message.id for message in check_policies(None, ({"script-src": ("'self'",)},))] == ["dc.E009"]


@pytest.mark.parametrize("change", [{"DC_SECRETS_KEYS": ""}, {"DC_API_WRITES_PER_MINUTE": "0"}], ids=["keys", "limit"])
def test_the_gate_of_deployment_closes(tmp_path: Path, change: dict[str, str]) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DC_")}

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=BASE_DIR,
        env={**kept, **SANE, "DC_DATA_DIR": str(tmp_path), **change},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 1
    assert ("dc.E006" if "DC_SECRETS_KEYS" in change else "dc.W013") in done.stderr
