"""Splunk's HTTP Event Collector as a sink.

Protocol: Splunk Enterprise, "Set up and use HTTP Event Collector" and "About HTTP Event Collector Indexer
Acknowledgment". Events of a batch stand one after the other in one body, each with the time at which it happened.
"""

from __future__ import annotations

import gzip
import ssl
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from apps.core.clock import utc_now
from apps.logs.certificate import age_of_certificate
from apps.logs.models import Log
from apps.logs.sinks import EventRefused, SinkEvent, SinkUnavailable

if TYPE_CHECKING:
    import httpx

MAX_EVENTS = 500
#: Of a body before it is compressed; Splunk's own limit is a megabyte in old versions and 800 MB in new ones.
MAX_BYTES = 512 * 1024
TIMEOUT_S = 10.0
ACK_TIMEOUT_S = 60.0
#: Codes of Splunk that say which event it could not read.
_BAD_EVENT = frozenset({5, 6, 12, 13, 15})
#: Codes of Splunk whose own text leaves open what to do.
_ADVICE = {
    1: "the token is disabled in Splunk; enable it there",
    2: "Splunk saw no token; set DC_SPLUNK_TOKEN",
    3: "Splunk did not understand the token; DC_SPLUNK_TOKEN is a plain GUID",
    4: "Splunk does not know the token; check DC_SPLUNK_TOKEN",
    7: "the token may not write to the index; check DC_SPLUNK_INDEX",
    10: "the token has indexer acknowledgement on; set DC_SPLUNK_ACK=yes",
    14: "the token has indexer acknowledgement off; set DC_SPLUNK_ACK=no",
}


class SplunkHECHandler:
    """Sends events to one collector. Not for several threads at once."""

    name = "splunk"

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        *,
        index: str = "",
        ca_bundle: Path | None = None,
        ack: bool = False,
        compress: bool = True,
        timeout_s: float = TIMEOUT_S,
        ack_timeout_s: float = ACK_TIMEOUT_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`token` is asked before every request, so that one that was replaced is picked up."""
        self.url = url.rstrip("/")
        self.token = token
        self.index = index
        self.ca_bundle = ca_bundle
        self.ack = ack
        self.compress = compress
        self.timeout_s = timeout_s
        self.ack_timeout_s = ack_timeout_s
        self.channel = str(uuid.uuid4())
        self._sleep = sleep
        self._client: httpx.Client | None = None

    def write(self, events: Sequence[SinkEvent]) -> None:
        """Send them, and with `ack` wait until they are indexed. Raises `SinkUnavailable` and `EventRefused`."""
        start = 0
        for batch in _batches([self._as_text(event) for event in events]):
            self._send(batch, start)
            start += len(batch)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _as_text(self, event: SinkEvent) -> bytes:
        data = event.frame.data
        said = {
            "message": data.get("event", ""),
            "level": Log.Level(max(0, min(50, event.level)) // 10 * 10).name,
            **{name: data[name] for name in ("logger", "module", "function", "line", "thread") if data.get(name)},
        }
        for name, key in (("call_chain", "chain"), ("exception", "exc"), ("fingerprint", "fp"), ("context", "c")):
            if data.get(key):
                said[name] = data[key]
        fields = {"event_id": event.id, "app": event.app, "runtime": event.runtime}
        whole: dict[str, Any] = {
            "time": round(event.frame.at, 6),
            "host": event.node,
            "source": event.app or f"platform:{event.role}",
            "sourcetype": "_json",
            "event": said,
            "fields": {name: value for name, value in fields.items() if value},
        }
        if self.index:
            whole["index"] = self.index
        return orjson.dumps(whole)

    def _send(self, batch: Sequence[bytes], start: int) -> None:
        """One request; `start` is the place of its first event in what `write` was given."""
        status, answer, retry_after = self._post("/services/collector/event", b"\n".join(batch))
        if status == 413:
            if len(batch) == 1:
                raise EventRefused(start, f"Splunk takes no event of {len(batch[0]):,} bytes.")
            middle = len(batch) // 2
            self._send(batch[:middle], start)
            self._send(batch[middle:], start + middle)
            return
        code = answer.get("code")
        number = answer.get("invalid-event-number")
        if status == 400 and code in _BAD_EVENT and isinstance(number, int) and 0 <= number < len(batch):
            raise EventRefused(start + number, f"Splunk refuses it: {answer.get('text', 'invalid event')}.")
        if status != 200 or code != 0:
            raise SinkUnavailable(_refusal(self.url, status, answer), retry_after_s=retry_after)
        if self.ack:
            self._await_ack(answer.get("ackId"))

    def _await_ack(self, ack_id: Any) -> None:
        if not isinstance(ack_id, int):
            raise SinkUnavailable(f"{self.url} sent no acknowledgement id: {_ADVICE[14]}.")
        waited, pause = 0.0, 0.1
        while waited < self.ack_timeout_s:
            status, answer, _ = self._post("/services/collector/ack", orjson.dumps({"acks": [ack_id]}))
            acks = answer.get("acks")
            if status != 200 or not isinstance(acks, dict):
                raise SinkUnavailable(_refusal(self.url, status, answer))
            if acks.get(str(ack_id)) is True:
                return
            self._sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 2.0)
        raise SinkUnavailable(f"{self.url} took lines and did not acknowledge them within {self.ack_timeout_s:g} s.")

    def _post(self, path: str, body: bytes) -> tuple[int, dict[str, Any], float | None]:
        import httpx

        headers = {"Authorization": f"Splunk {self.token()}", "Content-Type": "application/json"}
        if self.ack:
            headers["X-Splunk-Request-Channel"] = self.channel
        if self.compress and len(body) > 1024:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, 1)
        if self._client is None:
            # Where a request is sent does not change: whoever answers with a redirect must not get the token.
            self._client = httpx.Client(verify=self._tls(), timeout=self.timeout_s, follow_redirects=False)
        try:
            response = self._client.post(f"{self.url}{path}", content=body, headers=headers)
        except httpx.TimeoutException:
            raise SinkUnavailable(f"{self.url} did not answer within {self.timeout_s:g} s.") from None
        except (httpx.HTTPError, ValueError) as error:
            raise SinkUnavailable(_failure(self.url, error)) from error
        return response.status_code, _as_answer(response.content), _seconds(response.headers.get("Retry-After"))

    def _tls(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.ca_bundle)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or "it holds no certificate"
            raise SinkUnavailable(f"DC_SPLUNK_CA_BUNDLE: {self.ca_bundle} cannot be used: {reason}.") from None


def _batches(texts: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch, size = list[bytes](), 0
    for text in texts:
        if batch and (len(batch) == MAX_EVENTS or size + len(text) > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch


def _as_answer(content: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(header: str | None) -> float | None:
    """Of a Retry-After header; its other form, a date, is left to our own back-off."""
    return float(header) if header and header.strip().isdigit() else None


def _refusal(url: str, status: int, answer: dict[str, Any]) -> str:
    code = answer.get("code")
    said = str(answer.get("text", "")).strip() or "no text that Splunk would send"
    advice = _ADVICE.get(code) if isinstance(code, int) else None
    return f"{url} answered {status} ({said[:200]})" + (f": {advice}." if advice else ".")


def _failure(url: str, error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLCertVerificationError):
        cause = cause.__cause__ or cause.__context__
    if cause is not None:
        age = age_of_certificate(url, cause, now=utc_now())
        return (
            f"The certificate of {url} is not accepted: {cause.verify_message}{age}. It is verified always; where your"
            " own authority signed it, name its CA bundle in DC_SPLUNK_CA_BUNDLE."
        )
    return f"{url} cannot be reached: {str(error) or type(error).__name__}."
