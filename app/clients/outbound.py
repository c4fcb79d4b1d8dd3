"""Where Eligo may call: an allowlist of base addresses, and no way around it.

A caller names the FHIR server of its EHR, and with that could make the service call anything it can reach (server-side
request forgery, OWASP). So an address counts only where it lies under a base that the operator listed; the name is
resolved once, what it resolves to is checked, and the connection goes to just that address, so that no second answer of
the name server (DNS rebinding) is ever asked for. Redirects are not followed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

import httpcore
import httpx

from app.errors import EligoError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

Address = IPv4Address | IPv6Address
_PORTS = {"https": 443, "http": 80}
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")
_TRIES: Final = 2
"""Of the addresses of one name, how many are tried."""


class NotAllowed(EligoError):
    """An address that is not called; `reason` says why, without repeating what stands after its host."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"This address is not called: {reason}.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Base:
    """A base address that may be called: scheme, host, port, and a path that ends in no slash."""

    scheme: str
    host: str
    port: int
    path: str

    def covers(self, url: SplitResult, port: int) -> bool:
        """Whether an address lies at or under it."""
        if (url.scheme, (url.hostname or "").rstrip("."), port) != (self.scheme, self.host, self.port):
            return False
        path = unquote(url.path)
        inside = path == self.path or path.startswith(f"{self.path}/")
        return inside and not {".", ".."} & set(path.split("/"))


def read_base(text: str) -> Base:
    """A base of the allowlist. NotAllowed where it is none."""
    try:
        url = urlsplit(text.strip())
        port = url.port or _PORTS.get(url.scheme, 0)
    except ValueError:
        raise NotAllowed("it is no URL") from None
    if url.scheme not in _PORTS or not url.hostname or url.query or url.fragment or url.username or url.password:
        raise NotAllowed("it is no http or https URL without query, fragment and user")
    return Base(url.scheme, url.hostname, port, url.path.rstrip("/"))


class Allowlist:
    """Which addresses may be called. With `private`, names may also resolve to addresses of private networks.

    An IP address that stands in the list itself may be called whatever it is.
    """

    def __init__(self, bases: Iterable[Base], *, private: bool = False) -> None:
        self.bases = tuple(bases)
        self.private = private

    def check(self, text: str) -> None:
        """NotAllowed where an address lies under no base."""
        try:
            url = urlsplit(text)
            port = url.port or _PORTS.get(url.scheme, 0)
        except ValueError:
            raise NotAllowed("it is no URL") from None
        if url.username or url.password:
            raise NotAllowed("it names a user")
        if not any(each.covers(url, port) for each in self.bases):
            raise NotAllowed("it lies under none of the bases that are listed")

    def check_resolved(self, host: str, address: Address) -> None:
        """NotAllowed where a name means an address that nobody should reach through this service."""
        if any(each.host == host and _literal(each.host) == address for each in self.bases):
            return
        plain = _meant(address)
        if plain.is_global and not plain.is_multicast:
            return
        is_private = plain.is_private and not (
            plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_reserved or plain.is_multicast
        )
        if not (self.private and is_private):
            raise NotAllowed(f"{host} means an address that is not reachable from here on purpose")


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to: mapped, 6to4 (RFC 3056) or translated (RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _TRANSLATED:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


class _Guarded(httpcore.AsyncNetworkBackend):
    """Connects to what a name was resolved to when it was checked."""

    def __init__(self, allowlist: Allowlist) -> None:
        self._allowlist = allowlist
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface has it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A stream to the first of its addresses that answers. NotAllowed, httpcore.ConnectError."""
        error: Exception = httpcore.ConnectError("the name has no address")
        for address in (await self._resolve(host, port))[:_TRIES]:
            try:
                return await self._inner.connect_tcp(
                    str(address), port, timeout=timeout, local_address=local_address, socket_options=socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def _resolve(self, host: str, port: int) -> list[Address]:
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise httpcore.ConnectError(f"the name cannot be resolved: {error.errno}") from None
        addresses = list(dict.fromkeys(ip_address(str(each[4][0]).partition("%")[0]) for each in found))
        for each in addresses:  # all of them: which one would be taken is nothing to rely on
            self._allowlist.check_resolved(host, each)
        return addresses


class GuardedTransport(httpx.AsyncBaseTransport):
    """An httpx transport that calls nothing but what an allowlist has. NotAllowed."""

    def __init__(self, allowlist: Allowlist, *, tls: ssl.SSLContext | None = None, most_connections: int = 64) -> None:
        self._allowlist = allowlist
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls or httpx.create_ssl_context(),
            max_connections=most_connections,
            keepalive_expiry=30.0,
            http2=True,
            network_backend=_Guarded(allowlist),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request, if its address may be called."""
        self._allowlist.check(str(request.url))
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = await self._pool.handle_async_request(sent)
        except httpcore.TimeoutException as error:
            raise httpx.ConnectTimeout(type(error).__name__, request=request) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, ssl.SSLError) as error:
            raise httpx.NetworkError(type(error).__name__, request=request) from None
        return httpx.Response(answer.status, headers=answer.headers, stream=_Stream(answer, request))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pool.aclose()


class _Stream(httpx.AsyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._answer.aiter_stream():
                yield part
        except httpcore.TimeoutException as error:
            raise httpx.ReadTimeout(type(error).__name__, request=self._request) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx.ReadError(type(error).__name__, request=self._request) from None

    async def aclose(self) -> None:
        await self._answer.aclose()
