"""Addresses that a request names, fetched only from hosts that the server's owner allows.

Every hop is checked anew: its host is on the list, and each of its addresses is one of the open internet; the
connection then goes to the address that was checked, whatever the name resolves to a moment later. An owner who means
an address of the own network lists that address itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem
from onethinker.util.server import tls_context

_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class _Hop:
    """One address to ask. ip: checked."""

    parts: SplitResult
    host: str
    port: int
    ip: str

    @property
    def url(self) -> str:
        where = f"[{self.ip}]" if ":" in self.ip else self.ip
        query = f"?{self.parts.query}" if self.parts.query else ""
        return f"{self.parts.scheme}://{where}:{self.port}{self.parts.path or '/'}{query}"


class Fetcher:
    """hosts: `name`, `name:port`, or an IP address with or without a port. Without a port 80 and 443 are meant."""

    def __init__(self, limits: Limits, hosts: Sequence[str] = ()) -> None:
        self.limits = limits
        self.hosts = frozenset(host.lower() for host in hosts)

    async def fetch(self, url: str, name: str) -> bytes:
        """The bytes at an address. name: what to call it in a complaint. Raises Problem."""
        try:
            async with asyncio.timeout(self.limits.upload_seconds):
                for _ in range(_REDIRECTS + 1):
                    hop = await self._checked(url, name)
                    content, location = await self._ask(hop, name)
                    if not location:
                        return content
                    url = urljoin(url, location)
        except TimeoutError:
            raise Problem(504, f"{name}: its host did not send it in {self.limits.upload_seconds:g} s") from None
        raise Problem(502, f"{name}: more than {_REDIRECTS} redirects")

    async def _checked(self, url: str, name: str) -> _Hop:
        try:
            parts = urlsplit(url)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise Problem(422, f"{name}: not an address: {url[:80]!r}") from None
        if parts.scheme not in _PORTS or not host or parts.username is not None:
            raise Problem(
                403, f"{name}: expected a data URL or an http(s) address without a password, came {parts.scheme[:20]!r}"
            )
        port = port or _PORTS[parts.scheme]
        plain = port == _PORTS[parts.scheme] and host in self.hosts
        if not plain and f"{host}:{port}" not in self.hosts and f"[{host}]:{port}" not in self.hosts:
            raise Problem(
                403, f"{name}: this server opens no addresses of {host[:100]!r}; send the file itself as a data URL"
            )
        return _Hop(parts, host, port, await self._resolved(host, port, name))

    async def _resolved(self, host: str, port: int, name: str) -> str:
        """The first of the host's addresses, all of which must be public unless the host is such an address itself."""
        try:
            ipaddress.ip_address(host)
            return host  # listed as it is
        except ValueError:
            pass
        try:
            loop = asyncio.get_running_loop()
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Problem(502, f"{name}: {host[:100]!r} cannot be resolved") from None
        addresses = [str(entry[4][0]) for entry in found]
        if not addresses or not all(is_public(address) for address in addresses):
            raise Problem(403, f"{name}: {host[:100]!r} is an address of a private network, which is not opened")
        return addresses[0]

    async def _ask(self, hop: _Hop, name: str) -> tuple[bytes, str]:
        """(content, "") or (b"", where it is redirected to)."""
        import httpx2

        default = hop.port == _PORTS[hop.parts.scheme]
        shown = f"[{hop.host}]" if ":" in hop.host else hop.host
        headers = {"Host": shown if default else f"{shown}:{hop.port}", "Accept-Encoding": "identity"}
        extensions: dict[str, Any] = {"sni_hostname": hop.host}  # whose certificate is checked
        try:
            async with (
                httpx2.AsyncClient(
                    trust_env=False, timeout=self.limits.upload_seconds, verify=tls_context(trust_env=False)
                ) as client,
                client.stream("GET", hop.url, headers=headers, extensions=extensions) as reply,
            ):
                if reply.is_redirect:
                    return b"", reply.headers.get("location", "")
                if not reply.is_success:
                    raise Problem(502, f"{name}: its host answered {reply.status_code}")
                content = bytearray()
                async for piece in reply.aiter_raw():
                    content += piece
                    if len(content) > self.limits.media_bytes:
                        raise Problem(413, f"{name}: more than {self.limits.media_bytes:,} bytes")
                return bytes(content), ""
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise Problem(502, f"{name}: its host cannot be asked ({type(error).__name__})") from None


def is_public(address: str) -> bool:
    """Whether an IP address is one of the open internet; one that wraps another counts as that one."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        wrapped = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if wrapped is not None:
            return wrapped.is_global and not wrapped.is_multicast
        if ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast
