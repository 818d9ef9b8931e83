"""AntiCaptcha's API as it is documented, against a server that speaks it."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import Any

import pytest

from collectors.toolkit.captcha import CaptchaTask, ImageTask, RecaptchaV2, RecaptchaV3, TaskProxy, Turnstile
from collectors.toolkit.captcha.anticaptcha import AntiCaptcha
from collectors.toolkit.captcha.errors import (
    AccountRefused,
    Problem,
    PurchaseUnknown,
    SolverBusy,
    SolverRefused,
    SolverUnreachable,
    TaskRefused,
    Unsolvable,
)
from tests.servers.anticaptcha import Shop

PAGE = "https://shop.example/login"
PROXY = TaskProxy("socks5://user:s3cret@203.0.113.7:1080")
PICTURE = b"\x89PNG" + bytes(120)
SITE = {"websiteURL": PAGE, "websiteKey": "k"}
WAY = {
    "proxyType": "socks5",
    "proxyAddress": "203.0.113.7",
    "proxyPort": 1080,
    "proxyLogin": "user",
    "proxyPassword": "s3cret",
}


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (
            ImageTask(image=PICTURE, numeric=1, comment="the blue ones", url=PAGE),
            {
                "type": "ImageToTextTask",
                "body": base64.b64encode(PICTURE).decode(),
                "phrase": False,
                "case": False,
                "numeric": 1,
                "math": False,
                "minLength": 0,
                "maxLength": 0,
                "comment": "the blue ones",
                "websiteURL": PAGE,
            },
        ),
        (RecaptchaV2(url=PAGE, site_key="k"), {"type": "RecaptchaV2TaskProxyless", **SITE}),
        (
            RecaptchaV2(url=PAGE, site_key="k", invisible=True, proxy=PROXY, user_agent="Firefox", cookies="a=1"),
            {"type": "RecaptchaV2Task", **SITE, "isInvisible": True, **WAY, "userAgent": "Firefox", "cookies": "a=1"},
        ),
        (
            RecaptchaV3(url=PAGE, site_key="k", min_score=0.7, action="login"),
            {"type": "RecaptchaV3TaskProxyless", **SITE, "minScore": 0.7, "isEnterprise": False, "pageAction": "login"},
        ),
        (
            Turnstile(url=PAGE, site_key="k", cdata="c"),
            {"type": "TurnstileTaskProxyless", **SITE, "turnstileCData": "c"},
        ),
        (Turnstile(url=PAGE, site_key="k", proxy=PROXY), {"type": "TurnstileTask", **SITE, **WAY}),
    ],
)
def test_a_task_is_bought_and_asked_for_until_it_is_ready(
    shop: Shop, provider: AntiCaptcha, task: CaptchaTask, words: dict[str, Any]
) -> None:
    shop.user_agent = "Safari"
    task_id = provider.create(provider.prepare(task))
    assert shop.tasks[int(task_id)].words == words
    assert provider.poll(task_id) is None
    answer = provider.poll(task_id)
    assert answer is not None
    assert (answer.solution, answer.cost, answer.user_agent) == (f"solution {task_id}", Decimal("0.002"), "Safari")
    assert answer.solved_at is not None


def test_the_balance_is_read_without_a_float_in_between(shop: Shop, provider: AntiCaptcha) -> None:
    shop.balance = Decimal("12.345678")
    assert provider.balance() == Decimal("12.345678")


@pytest.mark.parametrize(
    ("code", "kind", "problem", "number"),
    [
        ("ERROR_KEY_DOES_NOT_EXIST", AccountRefused, Problem.AUTH, 1),
        ("ERROR_ZERO_BALANCE", AccountRefused, Problem.BALANCE, 10),
        ("ERROR_NO_SLOT_AVAILABLE", SolverBusy, Problem.RATE_LIMIT, 2),
        ("ERROR_RECAPTCHA_INVALID_SITEKEY", TaskRefused, Problem.TASK, 31),
        ("ERROR_CAPTCHA_UNSOLVABLE", Unsolvable, Problem.SOLVE, 12),
        ("ERROR_OF_TOMORROW", SolverRefused, Problem.UNKNOWN, 99),
    ],
)
def test_an_error_keeps_its_number_and_code_and_says_what_it_is_about(
    shop: Shop, provider: AntiCaptcha, code: str, kind: type[SolverRefused], problem: Problem, number: int
) -> None:
    shop.creates.append(code)
    with pytest.raises(kind) as caught:
        provider.create(provider.prepare(RecaptchaV2(url=PAGE, site_key="k")))
    assert (caught.value.code, caught.value.problem, caught.value.error_id) == (code, problem, number)
    assert code in str(caught.value)
    assert shop.key not in str(caught.value)


@pytest.mark.parametrize("trick", ["drop", "503"])
def test_a_purchase_without_an_answer_is_unknown_and_not_sent_again(
    shop: Shop, provider: AntiCaptcha, trick: str
) -> None:
    shop.creates.append(trick)
    with pytest.raises(PurchaseUnknown, match="may have been bought"):
        provider.create(provider.prepare(RecaptchaV2(url=PAGE, site_key="k")))
    assert shop.count("createTask") == 1


def test_nothing_is_bought_where_nobody_listens() -> None:
    provider = AntiCaptcha("key", url="http://127.0.0.1:1")
    with pytest.raises(SolverUnreachable):
        provider.create(provider.prepare(RecaptchaV2(url=PAGE, site_key="k")))
    with pytest.raises(SolverUnreachable):
        provider.balance()
    provider.close()


def test_a_proxy_without_an_address_of_its_own_is_refused_before_it_is_sent(provider: AntiCaptcha) -> None:
    task = Turnstile(url=PAGE, site_key="k", proxy=TaskProxy("http://proxy.example:8080"))
    with pytest.raises(TaskRefused, match="wants the IP address"):
        provider.prepare(task)


@pytest.mark.parametrize(
    ("kind", "is_correct", "method"),
    [
        ("image", False, "reportIncorrectImageCaptcha"),
        ("recaptcha_v2", False, "reportIncorrectRecaptcha"),
        ("recaptcha_v3", True, "reportCorrectRecaptcha"),
        ("image", True, ""),
        ("turnstile", False, ""),
    ],
)
def test_only_what_the_provider_wants_to_know_is_reported(
    shop: Shop, provider: AntiCaptcha, kind: str, is_correct: bool, method: str
) -> None:
    task_id = provider.create(provider.prepare(RecaptchaV2(url=PAGE, site_key="k")))
    assert provider.report(kind, task_id, is_correct=is_correct) is bool(method)
    assert shop.tasks[int(task_id)].reports == ([method] if method else [])
