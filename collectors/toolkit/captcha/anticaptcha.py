"""AntiCaptcha, by its official API (https://anti-captcha.com/apidoc).

Money is read as Decimal out of the JSON; what is bought is sent over a fresh connection, because one that was kept
may have been closed by the other side, and then nobody knows whether the task had arrived.
"""

from __future__ import annotations

import ipaddress
import json
from base64 import b64encode
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import httpx

from collectors.toolkit.captcha.codes import URL, problem_of
from collectors.toolkit.captcha.errors import Problem, PurchaseUnknown, SolverUnreachable, TaskRefused, refusal
from collectors.toolkit.captcha.provider import Answer, Prepared
from collectors.toolkit.captcha.tasks import CaptchaTask, ImageTask, RecaptchaV2, RecaptchaV3, TaskProxy, Turnstile

TIMEOUT_S = 20.0
#: Errors after which it is certain that the request never left.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol, httpx.InvalidURL)
#: Kind and verdict -> the method that takes it.
_REPORTS = {
    ("image", False): "reportIncorrectImageCaptcha",
    ("recaptcha_v2", False): "reportIncorrectRecaptcha",
    ("recaptcha_v3", False): "reportIncorrectRecaptcha",
    ("recaptcha_v2", True): "reportCorrectRecaptcha",
    ("recaptcha_v3", True): "reportCorrectRecaptcha",
}


class _Unreadable(Exception):
    """What came back is no answer of this API."""


class AntiCaptcha:
    """One account. See `toolkit.captcha.provider.Provider`."""

    def __init__(
        self,
        key: str,
        *,
        url: str = URL,
        name: str = "AntiCaptcha",
        poll_s: float = 5.0,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._key, self._name, self._poll_s = key, name, poll_s
        base = f"{url.rstrip('/')}/"
        self._polling = httpx.Client(base_url=base, timeout=timeout_s)
        fresh = httpx.Limits(max_keepalive_connections=0)
        self._buying = httpx.Client(base_url=base, timeout=timeout_s, limits=fresh)

    @property
    def name(self) -> str:
        return self._name

    @property
    def poll_s(self) -> float:
        return self._poll_s

    def prepare(self, task: CaptchaTask) -> Prepared:
        """See `Provider.prepare`."""
        match task:
            case ImageTask():
                words = _image(task)
            case RecaptchaV2():
                extra: dict[str, Any] = {"isInvisible": True} if task.invisible else {}
                extra |= {"recaptchaDataSValue": task.data_s} if task.data_s else {}
                words = self._on_site("RecaptchaV2Task", task, task.proxy, extra)
                if task.proxy:
                    words |= _given({"userAgent": task.user_agent, "cookies": task.cookies})
            case RecaptchaV3():
                extra = {"minScore": task.min_score, "isEnterprise": task.enterprise}
                words = self._on_site("RecaptchaV3Task", task, None, extra) | _given({"pageAction": task.action})
            case Turnstile():
                extra = _given({"action": task.action, "turnstileCData": task.cdata})
                words = self._on_site("TurnstileTask", task, task.proxy, extra)
            case _:
                raise TaskRefused(f"{self._name} does not solve {task.kind}.", provider=self._name)
        return words

    def _on_site(self, kind: str, task: Any, proxy: TaskProxy | None, extra: dict[str, Any]) -> dict[str, Any]:
        words = {"websiteURL": task.url, "websiteKey": task.site_key, **extra}
        return {"type": kind, **words, **self._proxy(proxy)} if proxy else {"type": f"{kind}Proxyless", **words}

    def _proxy(self, proxy: TaskProxy) -> dict[str, Any]:
        try:
            ipaddress.ip_address(proxy.host)
        except ValueError:
            said = f"{self._name} wants the IP address of a proxy, not the name {proxy.host}."
            raise TaskRefused(said, provider=self._name, problem=Problem.TASK) from None
        login = _given({"proxyLogin": proxy.user, "proxyPassword": proxy.password})
        return {"proxyType": proxy.scheme, "proxyAddress": proxy.host, "proxyPort": proxy.port, **login}

    def create(self, prepared: Prepared) -> str:
        """See `Provider.create`."""
        try:
            answer = self._ask(self._buying, "createTask", task=dict(prepared))
        except _NOT_SENT as error:
            raise SolverUnreachable(f"{self._name} cannot be reached: {_reason(error)}.") from error
        except (httpx.HTTPError, _Unreadable) as error:
            said = f"{self._name} was sent a task and gave no answer: {_reason(error)}. It may have been bought."
            raise PurchaseUnknown(said) from error
        task_id = answer.get("taskId")
        if not task_id:
            raise PurchaseUnknown(f"{self._name} took a task and did not say its number. It may have been bought.")
        return str(task_id)

    def poll(self, task_id: str) -> Answer | None:
        """See `Provider.poll`."""
        answer = self._look("getTaskResult", taskId=_number(task_id))
        if answer.get("status") != "ready":
            return None
        solution = answer.get("solution") or {}
        text = solution.get("text") or solution.get("gRecaptchaResponse") or solution.get("token")
        if not text:
            raise refusal(Problem.SOLVE, provider=self._name, error_id=0, code="an empty solution")
        end = answer.get("endTime")
        return Answer(
            solution=str(text),
            cost=_money(answer.get("cost")),
            solved_at=datetime.fromtimestamp(int(end), UTC) if end else None,
            user_agent=str(solution.get("userAgent") or ""),
        )

    def balance(self) -> Decimal:
        """See `Provider.balance`."""
        amount = _money(self._look("getBalance").get("balance"))
        if amount is None:
            raise SolverUnreachable(f"{self._name} does not say how much is left.")
        return amount

    def report(self, kind: str, task_id: str, *, is_correct: bool) -> bool:
        """See `Provider.report`."""
        method = _REPORTS.get((kind, is_correct))
        if method is None:
            return False
        return self._look(method, taskId=_number(task_id)).get("status") == "success"

    def close(self) -> None:
        """Let go of the connections."""
        self._polling.close()
        self._buying.close()

    def _look(self, method: str, **about: Any) -> dict[str, Any]:
        """Ask what may be asked any number of times."""
        try:
            return self._ask(self._polling, method, **about)
        except (httpx.HTTPError, httpx.InvalidURL, _Unreadable) as error:
            raise SolverUnreachable(f"{self._name} does not answer: {_reason(error)}.") from error

    def _ask(self, client: httpx.Client, method: str, **about: Any) -> dict[str, Any]:
        response = client.post(method, json={"clientKey": self._key, **about})
        try:
            answer = json.loads(response.content, parse_float=Decimal)
            error_id = int(answer["errorId"])
        except (ValueError, KeyError, TypeError):
            raise _Unreadable(f"HTTP {response.status_code} with something else than the API answers") from None
        if error_id:
            code, said = str(answer.get("errorCode") or ""), str(answer.get("errorDescription") or "")[:300]
            raise refusal(problem_of(code), provider=self._name, error_id=error_id, code=code, said=said)
        return dict(answer)


def _image(task: ImageTask) -> dict[str, Any]:
    words = {
        "type": "ImageToTextTask",
        "body": b64encode(task.image).decode(),
        "phrase": task.phrase,
        "case": task.case,
        "numeric": task.numeric,
        "math": task.math,
        "minLength": task.min_length,
        "maxLength": task.max_length,
    }
    return words | _given({"comment": task.comment, "websiteURL": task.url})


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _number(task_id: str) -> Any:
    return int(task_id) if task_id.isdigit() else task_id


def _money(value: Any) -> Decimal | None:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def _reason(error: Exception) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
