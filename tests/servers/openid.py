"""A little OpenID provider on the loopback address. It asks nobody for anything, and lies when it is told to."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, CLIENT_SECRET = "data-collector", "a secret of the provider"


class Provider(ThreadingHTTPServer):
    """Says of everybody what `claims` holds; `lies` replaces claims of the ID token after everything else."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}/realms/data"
        self.claims: dict[str, Any] = {"sub": "4711", "preferred_username": "ada", "groups": ["data-ops"]}
        self.lies: dict[str, Any] = {}
        self.key = RSAKey.generate_key(2048, {"kid": "one"})
        self.signs_with: Any = self.key
        self.given: dict[str, dict[str, str]] = {}
        self.asked: list[dict[str, str]] = []

    def id_token(self, nonce: str) -> str:
        """As signed by whoever `signs_with` is."""
        now = int(time.time())
        standard = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": nonce}
        return jwt.encode({"alg": "RS256", "kid": "one"}, {**standard, **self.claims, **self.lies}, self.signs_with)


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        if path.endswith("/.well-known/openid-configuration"):
            issuer = self.server.issuer
            self._json(
                {
                    "issuer": issuer,
                    "authorization_endpoint": f"{issuer}/authorize",
                    "token_endpoint": f"{issuer}/token",
                    "jwks_uri": f"{issuer}/keys",
                    "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
                }
            )
        elif path.endswith("/keys"):
            self._json(KeySet([self.server.key]).as_dict(private=False))
        else:
            code = secrets.token_urlsafe()
            self.server.given[code] = asked
            self.server.asked.append(asked)
            self.send_response(302)
            self.send_header(
                "Location", f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"
            )
            self.end_headers()

    def do_POST(self) -> None:
        form = {k: v[0] for k, v in parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode()).items()}
        asked = self.server.given.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        is_proven = asked and base64.urlsafe_b64encode(digest).decode().rstrip("=") == asked.get("code_challenge")
        known = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET.replace(' ', '+')}".encode()).decode()
        plain = "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if not asked or not is_proven or self.headers["Authorization"] not in (known, plain):
            self._json({"error": "invalid_grant"}, 400)
            return
        token = self.server.id_token(asked["nonce"])
        self._json({"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "id_token": token})

    def _json(self, data: Any, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(data).encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base has it
        """Nothing."""


@contextmanager
def openid_provider() -> Iterator[Provider]:
    """One that runs while the block does."""
    with Provider() as provider:
        thread = threading.Thread(target=provider.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            provider.shutdown()
            thread.join()


def query_of(address: str) -> dict[str, str]:
    """The parameters of an address, each once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
