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
