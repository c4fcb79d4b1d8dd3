"""Behind a gateway: the address under which callers reach the service, and the one that a call comes from.

A header that any caller can write counts only where a gateway that is trusted has sent it.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_PREFIX = re.compile(rb"(?:/[A-Za-z0-9._~-]+)+")


def read_networks(given: Iterable[str]) -> tuple[Network, ...]:
    """Addresses and networks (`10.0.0.7`, `10.0.0.0/8`, `fd00::/8`). ValueError."""
    return tuple(ip_network(each, strict=False) for each in given)


def route_path(scope: Scope) -> str:
    """The path by which routes are found: without the prefix that a gateway has put before it."""
    path, root = str(scope.get("path", "")), str(scope.get("root_path", ""))
    return path[len(root) :] if root and (path == root or path.startswith(f"{root}/")) else path


class Proxies:
    """The outermost layer in pure ASGI: behind it, scheme, host, prefix and caller are those that the caller means.

    `X-Forwarded-Proto`, `-Host`, `-Prefix` and `-For` count where the connection comes from one of `trusted`, and are
    taken away from everybody else. With `public_url` that address stands for scheme, host and prefix, whatever a header
    says. A gateway may strip the prefix or leave it; layers further in that look at the path ask `route_path`.
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str], public_url: str = "") -> None:
        self._app = app
        self._trusted = read_networks(trusted)
        public = urlsplit(public_url)
        self._public = (public.scheme, public.netloc.encode(), public.path.rstrip("/")) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Rewrite the scope of a call, and pass it on."""
        if scope["type"] in {"http", "websocket"}:
            scope = self._rewritten(scope)
        await self._app(scope, receive, send)

    def _rewritten(self, scope: Scope) -> Scope:
        headers = [(name.lower(), value) for name, value in scope["headers"]]
        kept = [each for each in headers if not each[0].startswith(b"x-forwarded-") and each[0] != b"forwarded"]
        changed = {**scope, "headers": kept}
        if self._is_trusted((scope.get("client") or ("", 0))[0]):
            forwarded = _Forwarded(headers)
            caller = self._caller(forwarded.callers)
            if caller is not None:
                changed["client"] = (caller, 0)
            scheme, host, prefix = forwarded.scheme, forwarded.host, forwarded.prefix
        else:
            scheme, host, prefix = None, None, None
        if self._public is not None:
            scheme, host, prefix = self._public
        if scheme is not None:
            changed["scheme"] = {"http": "ws", "https": "wss"}[scheme] if scope["type"] == "websocket" else scheme
        if host is not None:
            changed["headers"] = [(b"host", host), *(each for each in kept if each[0] != b"host")]
        if prefix:
            _place(changed, prefix)
        return changed

    def _is_trusted(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(address in each for each in self._trusted)

    def _caller(self, callers: list[str]) -> str | None:
        """The last that no trusted gateway is: whoever stands before it may have been invented by it."""
        known = None
        for each in reversed(callers):
            address = _address(each)
            if address is None:  # nobody can be told from what is no address, nor from what stands before it
                return known
            known = str(address)
            if not self._is_trusted(known):
                return known
        return known


class _Forwarded:
    """What a trusted gateway says. A value that is not well formed counts as not said."""

    def __init__(self, headers: list[tuple[bytes, bytes]]) -> None:
        said = {name: value.strip() for name, value in headers}  # of two with one name the last: the nearest gateway's
        scheme = _last(said.get(b"x-forwarded-proto", b"")).lower()
        self.scheme = scheme.decode() if scheme in {b"http", b"https"} else None
        host = _last(said.get(b"x-forwarded-host", b""))
        self.host = host if _HOST.fullmatch(host) else None
        prefix = said.get(b"x-forwarded-prefix", b"").rstrip(b"/")
        self.prefix = prefix.decode() if _PREFIX.fullmatch(prefix) else None
        every = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        self.callers = [each.strip() for each in every.decode("latin-1").split(",") if each.strip()]


def _last(listed: bytes) -> bytes:
    return listed.rpartition(b",")[2].strip()


def _address(host: str) -> Address | None:
    """An address as forwarded: `192.0.2.1`, `192.0.2.1:4711`, `2001:db8::1`, `[2001:db8::1]:4711`."""
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ip_address(host)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _place(scope: Scope, prefix: str) -> None:
    """Put the path beneath the prefix, as ASGI has it, whether the gateway has left the prefix there or not."""
    path = str(scope["path"])
    if path != prefix and not path.startswith(f"{prefix}/"):
        scope["path"] = f"{prefix}{path}"
        if scope.get("raw_path") is not None:
            scope["raw_path"] = prefix.encode() + scope["raw_path"]
    scope["root_path"] = prefix
