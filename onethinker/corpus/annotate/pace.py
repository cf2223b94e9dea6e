"""How fast a server may be asked: requests and tokens a minute, and what it says itself in its headers.

Read are `Retry-After` (seconds or a date, RFC 9110 section 10.2.3), `retry-after-ms`, and OpenAI's
`x-ratelimit-remaining-requests|tokens` with `x-ratelimit-reset-requests|tokens` (such as `1s`, `6m0s`, `12ms`; the rate
limits page of its guide), which vendors that copy its API send too.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_LONGEST = 60.0
"""Seconds that running out of a limit makes us wait; a server that wants more refuses, and then says how long."""


def seconds_of(text: str | None) -> float:
    """A duration as rate-limit headers write it, `6m0s` or a plain number of seconds; 0 for what is none."""
    if not text or len(text) > 40:
        return 0.0
    parts = _PART.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text:
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0 <= value < 1e9 else 0.0


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that a refusal asks to wait, 0 where it names none."""
    if exact := seconds_of(headers.get("retry-after-ms")):
        return exact / 1000
    said = headers.get("retry-after")
    if plain := seconds_of(said):
        return plain
    try:
        until = parsedate_to_datetime(said or "")
    except (ValueError, TypeError, OverflowError):
        return 0.0
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (until - datetime.now(UTC)).total_seconds())


class Pace:
    """Says when the next request may go. Of one event loop.

    Each request moves the next one's time on by 60 / requests_per_minute, and by its tokens' share of a minute (the
    generic cell rate algorithm without a burst). `waited`: seconds spent waiting, for the table.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._request_seconds = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_seconds = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._clock, self._sleep = clock, sleep
        self._request_at = self._token_at = self._pause_until = clock()
        self.waited = 0.0

    async def turn(self, tokens: int) -> None:
        """Return when a request of so many tokens (at most) may be sent."""
        now = self._clock()
        at = max(now, self._request_at, self._token_at)
        self._request_at = max(now, self._request_at) + self._request_seconds
        self._token_at = max(now, self._token_at) + tokens * self._token_seconds
        while (wait := max(at, self._pause_until) - self._clock()) > 0:
            self.waited += wait
            await self._sleep(wait)

    def give_back(self, tokens: int) -> None:
        """Tokens that a request did not need after all."""
        self._token_at -= tokens * self._token_seconds

    def pause(self, seconds: float) -> None:
        """Send nothing for so long."""
        self._pause_until = max(self._pause_until, self._clock() + seconds)

    def heed(self, headers: Mapping[str, str], tokens: int) -> None:
        """Wait where an answer's headers say that there is no room for another request like it (of so many tokens)."""
        for kind, need in (("requests", 1), ("tokens", tokens)):
            left = headers.get(f"x-ratelimit-remaining-{kind}", "")
            if left.isascii() and left.isdigit() and int(left[:18]) < need:
                self.pause(min(seconds_of(headers.get(f"x-ratelimit-reset-{kind}")), _LONGEST))
