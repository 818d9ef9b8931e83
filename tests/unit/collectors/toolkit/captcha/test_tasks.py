"""Tasks: what is refused before anything is bought, what is kept of a page's address, what makes two the same."""

from __future__ import annotations

from typing import Any

import pytest

from collectors.toolkit.captcha import ImageTask, RecaptchaV2, RecaptchaV3, TaskProxy, Turnstile
from collectors.toolkit.captcha.codes import PROBLEMS, problem_of
from collectors.toolkit.captcha.errors import Problem, TaskRefused
from collectors.toolkit.captcha.tasks import clean_url
from collectors.toolkit.categories import is_blocker

PAGE = "https://shop.example/login"


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        (ImageTask, {"image": b"x" * 99}, "99 bytes"),
        (ImageTask, {"image": b"x" * 500_001}, "500,001 bytes"),
        (ImageTask, {"image": b"x" * 100, "numeric": 3}, "numeric"),
        (RecaptchaV3, {"url": PAGE, "site_key": "k", "min_score": 0.5}, "0.3, 0.7, 0.9, not 0.5"),
        (RecaptchaV2, {"url": PAGE, "site_key": " "}, "site key"),
        (RecaptchaV2, {"url": "", "site_key": "k"}, "the address of its page"),
        (Turnstile, {"url": "javascript:alert(1)", "site_key": "k"}, "has to begin with https://"),
        (Turnstile, {"url": "https://shop.example:99999/", "site_key": "k"}, "not the address of a page"),
        (TaskProxy, {"url": "10.1.1.1:8080"}, "scheme://user:password@host:port"),
    ],
)
def test_a_task_that_nobody_could_solve_is_refused_when_it_is_made(
    kind: Any, values: dict[str, Any], said: str
) -> None:
    with pytest.raises(TaskRefused) as caught:
        kind(**values)
    assert said in str(caught.value)
    assert caught.value.problem is Problem.TASK
    assert not is_blocker(caught.value)


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://u:p@shop.example:8443/a/b?token=1#frag", "https://shop.example:8443/a/b"),
        ("http://[2001:db8::1]/x?y", "http://[2001:db8::1]/x"),
        (f"https://shop.example/{'a' * 600}", f"https://shop.example/{'a' * 600}"[:500]),
    ],
)
def test_of_an_address_nothing_is_kept_that_may_be_secret(url: str, kept: str) -> None:
    assert clean_url(url) == kept


def test_two_tasks_are_the_same_when_one_solution_does_for_both() -> None:
    one = RecaptchaV2(url=PAGE, site_key="k")
    assert one.digest == RecaptchaV2(url=PAGE, site_key="k").digest
    others = [
        RecaptchaV2(url=PAGE, site_key="other"),
        RecaptchaV3(url=PAGE, site_key="k"),
        Turnstile(url=PAGE, site_key="k"),
        RecaptchaV2(url=PAGE, site_key="k", proxy=TaskProxy("http://203.0.113.7:8080")),
    ]
    assert len({one.digest, *(other.digest for other in others)}) == 5
    assert ImageTask(image=b"a" * 100).digest != ImageTask(image=b"b" * 100).digest


def test_the_password_of_a_proxy_is_in_no_text() -> None:
    proxy = TaskProxy("http://user:s3cret%40@203.0.113.7:8080")
    assert (proxy.user, proxy.password, proxy.host, proxy.port) == ("user", "s3cret@", "203.0.113.7", 8080)
    task = Turnstile(url=PAGE, site_key="k", proxy=proxy)
    assert "s3cret" not in repr(task)
    assert task.digest == Turnstile(url=PAGE, site_key="k", proxy=TaskProxy("http://203.0.113.7:8080")).digest


def test_every_code_has_one_meaning_and_new_ones_are_not_guessed() -> None:
    assert len(PROBLEMS) >= 35
    assert {problem_of(code) for code in PROBLEMS} == set(Problem) - {Problem.UNKNOWN}
    assert problem_of("ERROR_PROXY_SOMETHING_NEW") is Problem.PROXY
    assert problem_of("ERROR_OF_TOMORROW") is Problem.UNKNOWN
