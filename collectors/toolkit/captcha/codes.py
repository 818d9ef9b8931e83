"""The error codes of AntiCaptcha's API and what each is about (https://anti-captcha.com/apidoc/errors).

Other providers that speak the same protocol use the same names, some with other numbers, so names decide.
"""

from __future__ import annotations

from types import MappingProxyType

from collectors.toolkit.captcha.errors import Problem

_BY_PROBLEM = {
    Problem.AUTH: (
        "ERROR_KEY_DOES_NOT_EXIST",
        "ERROR_IP_NOT_ALLOWED",
        "ERROR_IP_BLOCKED",
        "ERROR_ACCOUNT_SUSPENDED",
        "ERROR_ACCOUNT_NOT_ALLOWED",
    ),
    Problem.BALANCE: ("ERROR_ZERO_BALANCE",),
    Problem.RATE_LIMIT: (
        "ERROR_NO_SLOT_AVAILABLE",
        "ERROR_ALL_WORKERS_FILTERED",
        "ERROR_TOO_MUCH_REQUESTS",
        "ERROR_SERVICE_UNAVAILABLE",
    ),
    Problem.PROXY: (
        "ERROR_PROXY_CONNECT_REFUSED",
        "ERROR_PROXY_CONNECT_TIMEOUT",
        "ERROR_PROXY_READ_TIMEOUT",
        "ERROR_PROXY_BANNED",
        "ERROR_PROXY_TRANSPARENT",
        "ERROR_PROXY_HAS_NO_IMAGE_SUPPORT",
        "ERROR_PROXY_INCOMPATIBLE_HTTP_VERSION",
        "ERROR_PROXY_NOT_AUTHORISED",
    ),
    Problem.TASK: (
        "ERROR_ZERO_CAPTCHA_FILESIZE",
        "ERROR_TOO_BIG_CAPTCHA_FILESIZE",
        "ERROR_NO_SUCH_METHOD",
        "ERROR_IMAGE_TYPE_NOT_SUPPORTED",
        "ERROR_NO_SUCH_CAPCHA_ID",
        "ERROR_EMPTY_COMMENT",
        "ERROR_TASK_ABSENT",
        "ERROR_TASK_NOT_SUPPORTED",
        "ERROR_INCORRECT_SESSION_DATA",
        "ERROR_RECAPTCHA_INVALID_SITEKEY",
        "ERROR_RECAPTCHA_INVALID_DOMAIN",
        "ERROR_RECAPTCHA_OLD_BROWSER",
        "ERROR_INVISIBLE_RECAPTCHA",
        "ERROR_VISIBLE_RECAPTCHA",
        "ERROR_TURNSTILE_NOT_DETECTED",
    ),
    Problem.SOLVE: (
        "ERROR_CAPTCHA_UNSOLVABLE",
        "ERROR_BAD_DUPLICATES",
        "ERROR_RECAPTCHA_TIMEOUT",
        "ERROR_TOKEN_EXPIRED",
        "ERROR_FAILED_LOADING_WIDGET",
    ),
}
PROBLEMS = MappingProxyType({code: problem for problem, codes in _BY_PROBLEM.items() for code in codes})

#: Where it is.
URL = "https://api.anti-captcha.com"
#: The task is not kept any more: nobody will ever know what became of it.
GONE = "ERROR_NO_SUCH_CAPCHA_ID"


def problem_of(code: str) -> Problem:
    """What an error code is about; a code that is new here is `UNKNOWN`."""
    return PROBLEMS.get(code, Problem.PROXY if code.startswith("ERROR_PROXY_") else Problem.UNKNOWN)
