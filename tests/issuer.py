"""An authorization server for tests: a real HTTP server on loopback with keys (JWKS) and introspection (RFC 7662)."""

from __future__ import annotations

import json
import threading
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator

PUBLIC = "https://trials.example.org/eligo"
"""The address that tokens are meant for."""
ALL = "system/*.rs eligo/trials.write"
"""Scopes that grant every call."""


@dataclass
class Issuer:
    """`keys` are given out; `tokens` are what it knows of opaque ones; `is_down` answers 500; `asked` counts calls."""

    address: str = ""
    keys: list[RSAKey] = field(default_factory=lambda: [RSAKey.generate_key(2048, {"kid": "first"})])
    tokens: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_down: bool = False
    delay_s: float = 0.0
    asked: list[str] = field(default_factory=list)
    credentials: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As it calls itself in tokens."""
        return f"{self.address}/realm"

    def token(
        self,
        scope: str | None = ALL,
        *,
        key: RSAKey | None = None,
        header: dict[str, Any] | None = None,
        without: str = "",
        **claims: Any,
    ) -> str:
        """A signed access token as it should be, but for what is said."""
        key = key or self.keys[0]
        head = {"alg": "RS256", "kid": key.kid, "typ": "at+jwt", **(header or {})}
        made = {**self.claims(scope), "jti": str(uuid.uuid4()), **claims}
        made.pop(without, None)
        return jwt.encode({k: v for k, v in head.items() if v is not None}, made, key, algorithms=[head["alg"]])

    def opaque(self, scope: str | None = ALL, *, without: str = "", **claims: Any) -> str:
        """A token that says nothing by itself."""
        token = f"opaque-{uuid.uuid4()}"
        self.tokens[token] = {"active": True, **self.claims(scope), **claims}
        self.tokens[token].pop(without, None)
        return token

    def claims(self, scope: str | None) -> dict[str, Any]:
        """What is said of a good token."""
        now = int(time.time())
        return {
            "iss": self.name,
            "aud": PUBLIC,
            "sub": "coordinator-7",
            "client_id": "screening",
            "iat": now,
            "exp": now + 300,
        } | ({} if scope is None else {"scope": scope})

    @property
    def by_keys(self) -> dict[str, Any]:
        """Settings with which its signed tokens count."""
        return {"public_url": PUBLIC, "auth_issuers": {self.name: f"{self.address}/jwks"}}

    @property
    def by_introspection(self) -> dict[str, Any]:
        """Settings with which it is asked about tokens."""
        return {
            "public_url": PUBLIC,
            "auth_introspection_url": f"{self.address}/introspect",
            "auth_introspection_client": "eligo",
            "auth_introspection_secret": "geheim",
        }

    def environment(self, settings: dict[str, Any]) -> dict[str, str]:
        """Settings as the environment has them."""
        return {
            f"ELIGO_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in settings.items()
        }


@contextmanager
def issuer() -> Iterator[Issuer]:
    """One that runs as long as it is needed."""
    server = Issuer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer({"keys": [each.as_dict(private=False) for each in server.keys]})

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            server.credentials.append(self.headers.get("Authorization", ""))
            self._answer(server.tokens.get(form["token"][0], {"active": False}))

        def _answer(self, content: dict[str, Any]) -> None:
            server.asked.append(self.path)
            time.sleep(server.delay_s)
            body = json.dumps(content).encode()
            self.send_response(500 if server.is_down else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    http = Server(("127.0.0.1", 0), Handler)
    server.address = f"http://127.0.0.1:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(5)
