"""A file from an address, of hosts that the user named and no others."""

from __future__ import annotations

import re
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from onethinker.util.server import tls_context

MAX_BYTES = 512 << 20
SECONDS = 120.0
"""For the whole of it."""


class FetchError(ValueError):
    """An address that is not opened, or gave no file; says why and what to do."""


def is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def check_host(address: str, hosts: Collection[str]) -> None:
    """Raises FetchError unless the address is of one of `hosts`."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise FetchError(f"{address}: not an address ({error})") from error
    if "@" in parts.netloc:
        raise FetchError(f"the address of {parts.hostname} holds a password; give one without")
    if not parts.hostname or not {parts.netloc, parts.hostname} & set(hosts):
        host = f"{parts.hostname}:{port}" if port else parts.hostname
        raise FetchError(f"{address}: addresses are opened only of hosts that you name; add --allow-host {host}")


def fetch(address: str, hosts: Collection[str], folder: Path) -> Path:
    """The file at `address`, in `folder` under its own last name. hosts: `host` or `host:port`, as in the address.

    No redirect is followed, which could lead to another host; nothing is unpacked; at most MAX_BYTES, within SECONDS.
    Raises FetchError.
    """
    import httpx2

    check_host(address, hosts)
    name = (
        re.sub(r"[^\w.-]", "_", unquote(Path(urlsplit(address).path).name), flags=re.ASCII)[-80:].lstrip(".") or "media"
    )
    file, end = folder / name, time.monotonic() + SECONDS
    try:
        asked: dict[str, Any] = {"timeout": 30.0, "headers": {"Accept-Encoding": "identity"}, "verify": tls_context()}
        with httpx2.stream("GET", address, **asked) as reply:
            if not reply.is_success:
                advice = "; name the address that it leads to" if reply.is_redirect else ""
                raise FetchError(f"{address}: HTTP {reply.status_code}{advice}")
            size = 0
            with file.open("wb") as opened:
                for piece in reply.iter_raw():
                    size += len(piece)
                    if size > MAX_BYTES or time.monotonic() > end:
                        raise FetchError(f"{address}: more than {MAX_BYTES >> 20} MB or {SECONDS:g} s; fetch it first")
                    opened.write(piece)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise FetchError(f"{address}: {type(error).__name__}: {error}") from error
    return file
