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
#: Bytes are looked for as numbers: as text they cost five times as much.
_BRACE, _AT = b"{@"
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
        self._needles = [
            orjson.dumps(secret.encode("utf-8", "replace").decode())[1:-1].decode() for secret in self._secrets
        ]

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
        return self.finds(data, text, text)

    def finds(self, mapping: Mapping[str, Any], part: bytes, text: bytes) -> bool:
        """The same for a mapping that is `part` of a text whose other keys are known to be harmless."""
        if self._version != known.version:
            self._learn()
        # One brace is its own; without another one, no other key hides anywhere.
        is_flat = part.rfind(_BRACE) <= 0
        if not (is_flat and mapping.keys() <= self._harmless_keys):
            if self._has_secret_key(mapping):
                return True
            # Mappings inside of lists and dataclasses: rare enough to be looked at as text.
            if not is_flat and _SECRET_KEY.search(part.decode()):
                return True
        if _AT in text and b"://" in text:
            return True
        if self._needles:
            said = text.decode()
            # `any` would cost as much as all the rest.
            for needle in self._needles:
                if needle in said:
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
