"""Limits of a server: those that a user sets, and those that it states."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from onethinker.corpus.annotate.pace import Pace, retry_after, seconds_of


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def times(pace: Pace, clock: Clock, *tokens: int) -> list[float]:
    async def go() -> list[float]:
        found = []
        for count in tokens:
            await pace.turn(count)
            found.append(round(clock.now - 100, 6))
        return found

    return asyncio.run(go())


def test_requests_a_minute():
    clock = Clock()
    assert times(Pace(30, clock=clock, sleep=clock.sleep), clock, 1, 1, 1) == [0, 2, 4]


def test_tokens_a_minute_and_what_was_not_needed_after_all():
    clock = Clock()
    pace = Pace(None, 600, clock=clock, sleep=clock.sleep)
    assert times(pace, clock, 100, 100) == [0, 10]
    pace.give_back(90)
    assert times(pace, clock, 100) == [11]


def test_a_pause_holds_everybody():
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    pace.pause(7)
    assert times(pace, clock, 1, 1) == [7, 7] and pace.waited == 7


def test_a_server_without_room_for_another_like_it_is_waited_for():
    clock = Clock()
    pace = Pace(clock=clock, sleep=clock.sleep)
    pace.heed({"x-ratelimit-remaining-requests": "3", "x-ratelimit-reset-requests": "9s"}, 50)
    pace.heed({"x-ratelimit-remaining-tokens": "50", "x-ratelimit-reset-tokens": "9s"}, 50)
    assert times(pace, clock, 1) == [0]
    pace.heed({"x-ratelimit-remaining-tokens": "49", "x-ratelimit-reset-tokens": "1m2s"}, 50)
    assert times(pace, clock, 1) == [60]  # at most a minute: who wants more refuses
    pace.heed({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms"}, 50)
    assert times(pace, clock, 1) == [60.12]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("12ms", 0.012), ("2m59.56s", 179.56), ("1h2m", 3720), ("7", 7), ("0.5", 0.5),
     ("", 0), (None, 0), ("soon", 0), ("1s later", 0), ("-4", 0), ("nan", 0), ("9" * 400, 0)],
)  # fmt: skip
def test_durations_as_headers_write_them(text, seconds):
    assert seconds_of(text) == pytest.approx(seconds)


def test_retry_after():
    assert retry_after({"retry-after": "20"}) == 20
    assert retry_after({"retry-after-ms": "250", "retry-after": "20"}) == 0.25
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert retry_after({"retry-after": date}) == pytest.approx(30, abs=2)
    assert retry_after({"retry-after": "some time"}) == retry_after({}) == 0
