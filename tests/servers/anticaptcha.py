"""A solver of captchas on the loopback address that answers as AntiCaptcha's API does, and keeps a ledger.

with anticaptcha() as shop:
    shop.balance = Decimal(0)

It charges when a task is created, as a solver who pays people does, and gives nothing back for what nobody could solve.
"""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "a-key-of-the-fake-solver-0123456789"
CENT = Decimal("0.002")
#: The errors that are documented, with their numbers, as far as the stand-in gives them.
ERRORS = {
    "ERROR_KEY_DOES_NOT_EXIST": (1, "Account authorization key not found in the system"),
    "ERROR_NO_SLOT_AVAILABLE": (2, "No idle workers are available at the moment"),
    "ERROR_ZERO_CAPTCHA_FILESIZE": (3, "The size of the captcha is less than 100 bytes"),
    "ERROR_ZERO_BALANCE": (10, "Account has zero or negative balance"),
    "ERROR_IP_NOT_ALLOWED": (11, "Request with this key is not allowed from your IP"),
    "ERROR_CAPTCHA_UNSOLVABLE": (12, "Captcha could not be solved by 5 different workers"),
    "ERROR_NO_SUCH_METHOD": (14, "Request to an API method that does not exist"),
    "ERROR_NO_SUCH_CAPCHA_ID": (16, "The task was not found"),
    "ERROR_TASK_ABSENT": (22, "The task property is empty"),
    "ERROR_TASK_NOT_SUPPORTED": (23, "The task type is not supported"),
    "ERROR_PROXY_CONNECT_REFUSED": (25, "Could not connect to the proxy"),
    "ERROR_RECAPTCHA_INVALID_SITEKEY": (31, "The site key is not valid"),
}
TYPES = {
    "ImageToTextTask": "text",
    "RecaptchaV2Task": "gRecaptchaResponse",
    "RecaptchaV2TaskProxyless": "gRecaptchaResponse",
    "RecaptchaV3TaskProxyless": "gRecaptchaResponse",
    "TurnstileTask": "token",
    "TurnstileTaskProxyless": "token",
}


class Refusal(Exception):
    """An error of the API, by its code."""


@dataclass
class Task:
    """One line of the ledger."""

    number: int
    words: dict[str, Any]
    cost: Decimal
    polls_left: int
    made_at: float
    error: str = ""
    is_told: bool = False
    """Whether its buyer was told its number: dropped answers tell nobody."""
    polls: int = 0
    reports: list[str] = field(default_factory=list)


@dataclass
class Shop:
    """What a test sets, and what happened."""

    url: str = ""
    key: str = KEY
    balance: Decimal = Decimal(10)
    price: Decimal = CENT
    polls: int = 1
    """So many looks at a task say that it is worked on."""
    #: What happens to the next ones: an error code, "drop" (done, and no answer), "503" (before anything is done),
    #: "slow" (a second late) or "" (as usual).
    creates: deque[str] = field(default_factory=deque)
    looks: deque[str] = field(default_factory=deque)
    ends: deque[str] = field(default_factory=deque)
    """Error codes with which the next tasks end instead of a solution."""
    user_agent: str = ""
    tasks: dict[int, Task] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    create_gate: threading.Event = field(default_factory=threading.Event)
    """Cleared, answers to createTask wait: the task is bought, and nobody knows its number yet."""
    is_working: threading.Event = field(default_factory=threading.Event)
    """Cleared, no task gets ready."""

    @property
    def spent(self) -> Decimal:
        """What all tasks cost."""
        return sum((task.cost for task in self.tasks.values()), Decimal(0))

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(called == method for called, _ in self.calls)

    def wait_for(self, tasks: int, *, seconds: float = 30) -> None:
        """Until so many tasks were bought."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.tasks) >= tasks, seconds), "nothing was bought"

    # -- The methods --------------------------------------------------------------------------------------------------

    def answer(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        """What the API answers. Raises `Refusal`."""
        if body.get("clientKey") != self.key:
            raise Refusal("ERROR_KEY_DOES_NOT_EXIST")
        match method:
            case "createTask":
                return self._create(body)
            case "getTaskResult":
                return self._result(self._task(body))
            case "getBalance":
                return {"balance": float(self.balance)}
            case "reportIncorrectImageCaptcha" | "reportIncorrectRecaptcha" | "reportCorrectRecaptcha":
                self._task(body).reports.append(method)
                return {"status": "success"}
        raise Refusal("ERROR_NO_SUCH_METHOD")

    def _create(self, body: dict[str, Any]) -> dict[str, Any]:
        words = body.get("task")
        if not words:
            raise Refusal("ERROR_TASK_ABSENT")
        if words.get("type") not in TYPES:
            raise Refusal("ERROR_TASK_NOT_SUPPORTED")
        if words["type"] == "ImageToTextTask" and len(_image(words)) < 100:
            raise Refusal("ERROR_ZERO_CAPTCHA_FILESIZE")
        if self.balance < self.price:
            raise Refusal("ERROR_ZERO_BALANCE")
        number = 1001 + len(self.tasks)
        end = self.ends.popleft() if self.ends else ""
        self.tasks[number] = Task(number, words, self.price, self.polls, time.time(), end)
        self.balance -= self.price
        return {"taskId": number}

    def _task(self, body: dict[str, Any]) -> Task:
        task = self.tasks.get(body.get("taskId", 0))
        if task is None:
            raise Refusal("ERROR_NO_SUCH_CAPCHA_ID")
        return task

    def _result(self, task: Task) -> dict[str, Any]:
        task.polls += 1
        if task.polls_left > 0 or not self.is_working.is_set():
            task.polls_left -= 1
            return {"status": "processing"}
        if task.error:
            raise Refusal(task.error)
        solution: dict[str, Any] = {TYPES[task.words["type"]]: f"solution {task.number}"}
        if self.user_agent:
            solution["userAgent"] = self.user_agent
        return {
            "status": "ready",
            "solution": solution,
            "cost": f"{task.cost:.6f}",
            "ip": "127.0.0.1",
            "createTime": int(task.made_at),
            "endTime": int(time.time()),
            "solveCount": "1",
        }


def _image(words: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(words.get("body", ""), validate=True)
    except binascii.Error:
        return b""


@contextmanager
def anticaptcha() -> Iterator[Shop]:
    """A running one."""
    shop, lock = Shop(), threading.Lock()
    shop.create_gate.set()
    shop.is_working.set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
            method = self.path.strip("/")
            with shop.changed:
                shop.calls.append((method, body))
                queue = {"createTask": shop.creates, "getTaskResult": shop.looks}.get(method)
                trick = queue.popleft() if queue else ""
                shop.changed.notify_all()
            if trick == "503":
                self._send(503, b"<html>busy</html>")
                return
            with lock:
                status, answer = _answered(shop, method, body, trick)
            with shop.changed:
                shop.changed.notify_all()
            if method == "createTask":
                shop.create_gate.wait(60)
            if trick == "drop":
                self.close_connection = True
                return
            if trick == "slow":
                time.sleep(1)
            if answer.get("taskId"):
                shop.tasks[answer["taskId"]].is_told = True
            self._send(status, json.dumps(answer).encode())

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that are killed are what some tests are about."""

    server = Server(("127.0.0.1", 0), Handler)
    shop.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        shop.create_gate.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


def _answered(shop: Shop, method: str, body: dict[str, Any], trick: str) -> tuple[int, dict[str, Any]]:
    try:
        if trick.startswith("ERROR_"):
            raise Refusal(trick)
        return 200, {"errorId": 0, **shop.answer(method, body)}
    except Refusal as error:
        number, said = ERRORS.get(str(error), (99, "Something else"))
        return 200, {"errorId": number, "errorCode": str(error), "errorDescription": said}
