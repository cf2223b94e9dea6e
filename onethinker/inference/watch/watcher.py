"""Ask about a live source: one thread reads it, and opens it again when it is lost; another asks when it is time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from onethinker.engines.base import EngineError
from onethinker.inference.model import Model
from onethinker.inference.question import AUTO, Question
from onethinker.inference.watch.sources import Frame, Source, SourceLost
from onethinker.inference.watch.window import Window, difference
from onethinker.media import MediaError
from onethinker.sample import DataError
from onethinker.tasks.prompts import PromptError

WAITS = (0.5, 1.0, 2.0, 5.0)
"""Seconds before a lost source is opened again, the last one for ever after."""
POLL = 0.02
"""Seconds between two looks whether it is time to ask."""


@dataclass(frozen=True)
class Clock:
    """now: seconds that only grow. sleep: wait so many. wall: the time of day."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class When:
    """every: seconds between the beginnings of two rounds of questions, at least. change: ask as soon as the picture
    differs by so much (0–1, `window.difference`) from the one asked about last, 0 to ask whatever it shows."""

    every: float = 2.0
    change: float = 0.0

    def is_due(self, now: float, asked_at: float | None, newest: Frame, asked: Frame | None) -> bool:
        """Whether to ask about `newest` now. asked: what was asked about last, at `asked_at`."""
        if asked is None or asked_at is None:
            return True
        if newest.at <= asked.at or now - asked_at < self.every - 1e-9:
            return False
        return not self.change or difference(newest.pixels, asked.pixels) >= self.change


@dataclass
class Watcher:
    """Asks `questions` about what `window` holds and tells each event as plain JSON values:

    `answer` (question, result: the record of `inference.record`, seen: seconds of the watch at which the newest frame
    came, latency: seconds from then to the answer), `lost` (why), `back` (after: seconds), `failed` (question, why).
    Every event has `at`, the time of day.
    """

    model: Model
    questions: Sequence[str]
    window: Window
    when: When
    tell: Callable[[dict[str, Any]], None]
    task: str = AUTO
    clock: Clock = field(default_factory=Clock)
    latencies: list[float] = field(default_factory=list)
    frames_asked: int = 0
    _asked: Frame | None = None
    _asked_at: float | None = None
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._began = self.clock.now()

    # ---- reading ------------------------------------------------------------------------------------------------

    def read(self, source: Source) -> None:
        """Fill the window until the source ends for good or the watch does; one that comes back is opened again."""
        lost_at, tries = None, 0
        while not self._ended.is_set():
            try:
                with closing(source.open()) as frames:
                    for pixels in frames:
                        if self._ended.is_set():
                            return
                        if pixels is None:
                            continue
                        if lost_at is not None:
                            self._say("back", after=round(self.clock.now() - lost_at, 3))
                            lost_at, tries = None, 0
                        self.window.add(Frame(pixels, self.clock.now()))
            except SourceLost as error:
                if not source.comes_back:
                    self._say("lost", why=str(error))
                    break
                if lost_at is None:
                    lost_at = self.clock.now()
                    self.window.clear()
                    self._say("lost", why=str(error))
                self.clock.sleep(WAITS[min(tries, len(WAITS) - 1)])
                tries += 1
            else:
                break
        self._ended.set()

    def end(self) -> None:
        """Read and ask no more."""
        self._ended.set()

    # ---- asking -------------------------------------------------------------------------------------------------

    def run(self, source: Source, seconds: float | None = None) -> None:
        """Watch until the source ends for good, or for `seconds`. What came last of a source that ended is asked about
        too. Raises EngineError where the engine cannot go on."""
        reader = threading.Thread(target=self.read, args=(source,), daemon=True)
        reader.start()
        try:
            while not self._ended.is_set() and (seconds is None or self.clock.now() - self._began < seconds):
                if not self.ask_if_due():
                    self.clock.sleep(POLL)
            if self._ended.is_set():
                self.ask_if_due()
        finally:
            self.end()
            reader.join(timeout=1.0)

    def ask_if_due(self) -> bool:
        """One round of questions about what is seen now, if it is time; whether it was."""
        newest = self.window.newest
        if newest is None or not self.when.is_due(self.clock.now(), self._asked_at, newest, self._asked):
            return False
        frames = self.window.frames()
        self._asked, self._asked_at = frames[-1], self.clock.now()
        self.frames_asked += len(frames)
        media, fps = self._medium(frames)
        for text in self.questions:
            self._ask(text, media, fps, frames[-1].at)
        return True

    def _medium(self, frames: Sequence[Frame]) -> tuple[Any, float | None]:
        """The frames as media of a question: a picture, or a clip of even frames that lasts as long as they did."""
        if len(frames) == 1:
            return frames[0].pixels, None
        rate = (len(frames) - 1) / max(frames[-1].at - frames[0].at, 1e-3)
        return [frame.pixels for frame in frames], min(max(rate, 0.01), 999.0)

    def _ask(self, text: str, media: Any, fps: float | None, seen: float) -> None:
        try:
            result = self.model.answer(Question(media, text, self.task, fps=fps))
        except (MediaError, DataError, PromptError, EngineError) as error:
            self._say("failed", question=text, why=str(error))
            if isinstance(error, EngineError) and error.__cause__ is not None:  # the engine itself, not this question
                raise
            return
        latency = self.clock.now() - seen
        self.latencies.append(latency)
        self._say(
            "answer", question=text, seen=round(seen - self._began, 3), latency=round(latency, 3),
            result=result.record(),
        )  # fmt: skip

    def _say(self, event: str, **more: Any) -> None:
        self.tell({"event": event, "at": self.clock.wall().isoformat(timespec="milliseconds")} | more)

    def summary(self) -> dict[str, float]:
        """answers; p50, p95: seconds from the newest frame to its answer; seen, skipped: frames."""
        asked = np.array(self.latencies or [np.nan])
        return {
            "answers": len(self.latencies),
            "p50": float(np.percentile(asked, 50)),
            "p95": float(np.percentile(asked, 95)),
            "seen": self.window.seen,
            "skipped": max(0, self.window.seen - self.frames_asked),
        }
