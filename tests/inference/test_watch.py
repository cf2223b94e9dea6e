"""Watching: when it asks, what it sees, what happens when a source breaks; with a clock that a test moves."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from onethinker import inference
from onethinker.cli.app import app
from onethinker.inference.watch.events import Events, line_of, serve_events
from onethinker.inference.watch.sources import Frame, Source, SourceLost, source_of
from onethinker.inference.watch.watcher import Clock, Watcher, When
from onethinker.inference.watch.window import Window, difference
from onethinker.media import MediaError, probe

DARK, LIGHT = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 200, np.uint8)


class Hands:
    """A clock whose hands a test moves; sleeping moves them too."""

    def __init__(self) -> None:
        self.at = 100.0
        self.slept: list[float] = []
        self.clock = Clock(lambda: self.at, self.sleep, lambda: datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def watching(model_saying, hands):
    """`watching(questions, when, window)`: a watcher, and the events that it tells."""

    def make(questions=("Is it?",), when=When(), window=None, answer="yes"):  # noqa: B008
        events: list[dict] = []
        model = model_saying(f"<think>.</think><answer>{answer}</answer>")
        return Watcher(model, questions, window or Window(0, 2), when, events.append, clock=hands.clock), events

    return make


def test_it_asks_every_so_often_about_the_newest_frame(watching, hands):
    watcher, events = watching(["Is it?", "What?"], When(every=2))
    assert not watcher.ask_if_due(), "nothing is seen yet"
    for n in range(90):
        hands.at += 1 / 30
        watcher.window.add(Frame(DARK + n, hands.at))
        watcher.ask_if_due()
    assert [(e["event"], e["question"]) for e in events] == [("answer", "Is it?"), ("answer", "What?")] * 2
    assert events[2]["seen"] - events[0]["seen"] == pytest.approx(2.0, abs=1 / 30)
    assert events[0]["result"]["answer"] == "yes" and events[0]["at"].startswith("2026-01-01T12:00:00")
    made = watcher.summary()
    assert (made["answers"], made["seen"], made["skipped"]) == (4, 90, 88)
    hands.at += 10
    assert watcher.ask_if_due() and not watcher.ask_if_due()
    hands.at += 10
    assert not watcher.ask_if_due(), "the same frame is not asked about twice"


def test_latency_counts_from_the_frame(watching, hands):
    watcher, events = watching()
    answer = watcher.model.engine.answer

    def slow(requests, sampling, **options):
        hands.at += 0.75
        yield from answer(requests, sampling, **options)

    watcher.model.engine.answer = slow
    watcher.window.add(Frame(DARK, hands.at))
    hands.at += 0.25
    watcher.ask_if_due()
    assert events[0]["latency"] == 1.0 and watcher.summary()["p95"] == pytest.approx(1.0)


def test_it_asks_where_the_picture_changes(watching, hands):
    watcher, _ = watching(when=When(every=0.5, change=0.1))
    moved = DARK.copy()
    moved[4:12, 4:12] = 255
    for pixels, asked in ((DARK, True), (DARK + 1, False), (moved, True), (moved, False), (LIGHT, True)):
        hands.at += 1
        watcher.window.add(Frame(pixels, hands.at))
        assert watcher.ask_if_due() is asked
    assert difference(DARK, DARK[:24]) == 1.0


def test_the_window_slides_and_is_thinned(watching, hands, model_saying):
    window = Window(seconds=2, rate=2)
    for _ in range(300):
        hands.at += 1 / 30
        window.add(Frame(DARK, hands.at))
    frames = window.frames()
    assert 4 <= len(frames) <= 6 and frames[-1].at == hands.at and frames[0].at >= hands.at - 2
    watcher, events = watching(["When does it move?"], window=window)
    watcher.ask_if_due()
    assert events[0]["result"]["task"] == "temporal_grounding"
    assert events[0]["result"]["media"][0]["duration"] == pytest.approx(frames[-1].at - frames[0].at, abs=0.6)
    window.add(Frame(DARK[:24], hands.at + 1))
    assert len(window.frames()) == 1, "frames of another size are no part of the clip"


def test_a_source_that_breaks_is_opened_again(watching, hands):
    watcher, events = watching()
    opened = []

    def frames():
        opened.append(hands.at)
        if len(opened) in (2, 3, 4):
            raise SourceLost("nobody answers")
        yield DARK
        if len(opened) == 1:
            raise SourceLost("the stream ended")
        watcher.end()
        yield None

    watcher.read(Source("fake", frames, True))
    assert [e["event"] for e in events] == ["lost", "back"] and events[0]["why"] == "the stream ended"
    assert hands.slept == [0.5, 1.0, 2.0, 5.0] and events[1]["after"] == 8.5
    assert watcher.window.seen == 2


def test_a_file_that_ends_ends_the_watch(watching):
    watcher, events = watching()
    watcher.read(Source("fake", lambda: (frame for frame in (DARK, LIGHT)), False))
    assert watcher._ended.is_set() and watcher.window.seen == 2 and events == []


def test_one_question_that_fails_costs_itself(watching, hands):
    watcher, events = watching(["Is it?"])
    watcher.model.engine.fail = frozenset(["ask"])
    watcher.window.add(Frame(DARK, hands.at))
    watcher.ask_if_due()
    assert events[0]["event"] == "failed" and "told to fail" in events[0]["why"]
    assert "failed: request ask: told to fail" in line_of(events[0])


def test_sources_by_name(media, tmp_path):
    assert source_of("0").name == "camera 0" and source_of(str(tmp_path)).comes_back
    for secret in ("user:secret@host/door", "u:sec/ret@host/door", "host/door?key=secret", "u:s@cret@host/door"):
        assert source_of(f"rtsp://{secret}").name == "rtsp://host/door"
    assert not source_of(str(media["even"])).comes_back
    for text, problem in (("file:///etc/passwd", "file:// is no source"), ("gone.mp4", "no such file"),
                          (str(media["square"]), "a picture; ask about it")):  # fmt: skip
        with pytest.raises(MediaError, match=problem):
            source_of(text)


def test_a_clip_comes_at_its_own_pace(media):
    frames, times = [], []
    for pixels in source_of(str(media["even"])).open():
        frames.append(pixels)
        times.append(time.monotonic())
    assert len(frames) == probe(media["even"]).frames and frames[0].shape == (32, 32, 3)
    assert times[-1] - times[0] >= 1.2, "6 frames, 4 a second"


def test_a_folder_gives_what_is_new(tmp_path):
    Image.fromarray(DARK).save(tmp_path / "old.png")
    frames = source_of(str(tmp_path)).open()
    assert next(frames) is None
    (tmp_path / "bad.png").write_bytes(b"no picture")
    Image.fromarray(LIGHT).save(tmp_path / "new.png")
    came = next(frame for frame in frames if frame is not None)
    assert (came == LIGHT).all()


def test_events_are_served_to_this_machine_alone():
    events, window = Events(), Window(0, 2)
    events.tell({"event": "back", "at": "2026-01-01T12:00:00", "after": 2.0})
    with serve_events(events, window, 0) as address:
        with urllib.request.urlopen(f"{address}/events", timeout=5) as stream:
            assert stream.headers["Content-Type"] == "text/event-stream"
            assert json.loads(stream.readline().removeprefix(b"data: "))["after"] == 2.0
            stream.readline()
            events.tell({"event": "lost", "at": "2026-01-01T12:00:01", "why": "gone"})
            assert json.loads(stream.readline().removeprefix(b"data: "))["why"] == "gone"
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{address}/picture.jpg", timeout=5)
        window.add(Frame(LIGHT, 0.0))
        with urllib.request.urlopen(f"{address}/picture.jpg", timeout=5) as reply:
            assert Image.open(reply).size == (64, 48)
        for path, host, status in (("/etc/passwd", "127.0.0.1:1", 404), ("/events", "evil.example:1", 403)):
            asked = urllib.request.Request(address + path, headers={"Host": host})
            with pytest.raises(urllib.error.HTTPError, match=str(status)):
                urllib.request.urlopen(asked, timeout=5)


def test_the_command_prints_a_time_line(model_saying, media, monkeypatch):
    model = model_saying("<think>.</think><answer>[b]yes[/b]\x1b[2J</answer>")
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model)
    done = CliRunner().invoke(app, ["watch", str(media["even"]), "Is it?", "What?", "--every", "0.5"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) >= 4 and "Is it?  [b]yes[/b]\\x1b[2J  [" in lines[0] and "What?" in lines[1]
    assert "6 frames seen" in done.stderr
    done = CliRunner().invoke(app, ["watch", str(media["even"]), "Is it?", "--json", "--window", "1"])
    assert json.loads(done.stdout.splitlines()[0])["event"] == "answer"
