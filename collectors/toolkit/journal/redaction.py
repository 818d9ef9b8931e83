"""Keeping secrets off the disk: by the value where it is known, by the key where it looks like one, and in URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from collectors.toolkit.journal.known import known

MASK = "******"
#: Shorter values are not looked for: they would mask half of everything.
MIN_SECRET_CHARS = 4
#: What is no mapping, known without asking: this is on the way of every line.
_PLAIN = frozenset({str, int, float, bool, bytes, type(None)})
#: Whatever lies deeper is masked the slow and sure way.
_DEEP = 8

_SECRET_KEY = re.compile(
    r"passw|passphrase|secret|token|api_?key|apikey|access_?key|private_?key|authori[sz]ation|cookie|credential|session_?id",
    re.IGNORECASE,
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"']+@")


class Redactor:
    """Masks secrets. `secrets` are values that the installation knows, such as its passwords; what the process learns
    later (`known`) is masked from then on."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._given = frozenset(secrets)
        self._known_keys: dict[str, bool] = {}
        self._harmless_keys: set[str] = set()
        self._learn()

    def _learn(self) -> None:
        self._version = known.version
        every = self._given | known.spellings()
        self._secrets = sorted({s for s in every if len(s) >= MIN_SECRET_CHARS}, key=len, reverse=True)
        # As they look inside of JSON text, where quotes and backslashes are escaped.
        self._needles = [orjson.dumps(secret.encode("utf-8", "replace").decode())[1:-1] for secret in self._secrets]
        self._known_keys: dict[str, bool] = {}
        self._harmless_keys: set[str] = set()

    def is_secret_key(self, key: Any) -> bool:
        """Whether a value under this key is masked whatever it is."""
        if not isinstance(key, str):
            return False
        known = self._known_keys.get(key)
        if known is None:
            known = bool(_SECRET_KEY.search(key))
            if len(self._known_keys) < 10_000:
                self._known_keys[key] = known
                if not known:
                    self._harmless_keys.add(key)
        return known

    def needs_work(self, data: Mapping[str, Any], text: bytes) -> bool:
        """Whether anything has to be masked; `text` is `data` as JSON. Cheap, because nearly always it is no."""
        if self._version != known.version:
            self._learn()
        context, harmless = data.get("c"), self._harmless_keys
        depth = 2 if context.__class__ is dict else 1
        # As many braces as there are mappings we know of: no other key hides anywhere.
        is_flat = text.count(b"{") == depth
        if not (is_flat and data.keys() <= harmless and (depth == 1 or context.keys() <= harmless)):  # type: ignore[union-attr]
            if self._has_secret_key(data):
                return True
            # Mappings inside of lists and dataclasses: rare enough to be looked at as text.
            if not is_flat and _SECRET_KEY.search(text.decode()):
                return True
        if b"@" in text and b"://" in text:
            return True
        for needle in self._needles:  # noqa: SIM110 - `any` would cost as much as all the rest
            if needle in text:
                return True
        return False

    def _has_secret_key(self, data: Mapping[Any, Any], depth: int = 0) -> bool:
        if depth > _DEEP:
            return True
        known = self._known_keys
        for key, value in data.items():
            if known.get(key) is not False and self.is_secret_key(key):
                return True
            if value.__class__ not in _PLAIN and isinstance(value, Mapping) and self._has_secret_key(value, depth + 1):
                return True
        return False

    def redact(self, value: Any) -> Any:
        """The value with every secret masked."""
        if isinstance(value, Mapping):
            return {
                self.redact_text(key) if isinstance(key, str) else key: MASK
                if self.is_secret_key(key) and item is not None
                else self.redact(item)
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.redact(item) for item in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        return self.redact_text(value if isinstance(value, str) else str(value))

    def redact_text(self, text: str) -> str:
        """The text without the secrets that are known and without the credentials of its URLs."""
        if self._version != known.version:
            self._learn()
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return _CREDENTIALS.sub(f"{MASK}@", text) if "://" in text else text
