"""A bar on a terminal, lines in a log."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from onethinker.util import progress


def test_a_log_hears_of_the_end_and_not_of_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.bar("SFT", 50, done=10) as advance:
        for step in range(40):
            advance(1, f"loss {step}")
    assert capsys.readouterr().err == "SFT: 50/50 loss 39\n"


def test_a_slow_log_hears_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_EVERY", 0.0)
    with progress.bar("RL", 10) as advance:
        advance(3)
        advance(2, "[red]a[/]")
    assert capsys.readouterr().err == "RL: 3/10\nRL: 5/10 [red]a[/]\n"


def test_a_terminal_shows_brackets_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    monkeypatch.setattr(progress, "Console", lambda **_: screen)
    with progress.bar("eval [test]", 4, done=1) as advance:
        advance(3, "[/] done [4]")
    shown = screen.file.getvalue()
    assert "eval [test]" in shown
    assert "[/] done [4]" in shown
    assert "4/4" in shown


def test_failures_pass_through() -> None:
    with pytest.raises(KeyError), progress.bar("x", 2):
        raise KeyError("inside")


def test_nothing_is_said_of_the_rest_until_something_is_known() -> None:
    assert progress.time_left(0, 1000.0, 520) == ""
    assert progress.time_left(3, 1.0, 520) == ""
    assert progress.time_left(3, 60.0, 0) == progress.time_left(3, 60.0, None) == ""


def test_the_estimate_grows_while_nothing_is_finished() -> None:
    assert progress.time_left(10, 10.0, 100) == "about 0:01:40 left"
    assert progress.time_left(10, 1560.0, 100) == "about 4:20:00 left"


def test_what_was_there_already_is_no_pace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 30.0, 60.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    with progress.bar("answers", 1000, done=200) as advance:
        advance(500, worked=False)
        advance(10)
    assert capsys.readouterr().err == "answers: 700/1000\nanswers: 710/1000 about 0:29:00 left\n"
