"""`onethinker ask`: what reaches the terminal, and the exit status."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from onethinker import inference
from onethinker.cli.app import app
from onethinker.cli.ask import print_result


def said(answer: str, thinking: str = "I look.") -> str:
    return f"<think>{thinking}</think><answer>{answer}</answer>"


@pytest.mark.parametrize("response", ["<think>I look and look", "It is a disc.", "<think>so</think>A disc."])
def test_without_an_answer_block_the_response_is_printed_once(response, model_saying, media, capsys):
    print_result(model_saying(response).ask(media["square"], "What?"))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == response and len(rest) == 1 and rest[0].startswith("(no_answer")


@pytest.mark.parametrize(("response", "code"), [(said("a disc"), 0), ("a disc", 1), (said("left"), 1)])
def test_the_exit_status_says_whether_there_is_an_answer(response, code, model_saying, media, monkeypatch):
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(response))
    task = ["--task", "spatial_grounding"] if "left" in response else []
    for form in ([], ["--json"]):
        done = CliRunner().invoke(app, ["ask", str(media["square"]), "What?", *task, *form])
        assert done.exit_code == code, done.output


def test_a_question_of_words_alone(model_saying, media, monkeypatch):
    model = model_saying(said("4"))
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model)
    assert model.ask(None, "What is 2 + 2?", task="numerical").sample.modality == "text"
    done = CliRunner().invoke(app, ["ask", "What is 2 + 2?"])
    assert done.exit_code == 0 and done.output.splitlines()[-1] == "4"
    assert model.engine.requests[0].media == ()
    for word in (str(media["square"]), "gone.mp4"):
        done = CliRunner().invoke(app, ["ask", word])
        assert done.exit_code == 2 and "media and a question" in done.output


HOSTILE = "[bold red]x[/bold red] [/nope] \x1b[2J\x1b]0;owned\x07 \u202egnp\u202c \x9b31m a\rb \ud800"


def test_prints_thinking_and_answer(model_saying, media, tmp_path, capsys):
    result = model_saying(said("a [red]disc[/red]", "I look.\nTwice.")).ask(media["square"], "What?")
    print_result(result, draw=tmp_path / "drawn.png")
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["I look.", "Twice.", "a [red]disc[/red]"]
    assert lines[-1] == str(tmp_path / "drawn.png") and (tmp_path / "drawn.png").exists()


def test_model_text_cannot_command_the_terminal(model_saying, media, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = model_saying(said(HOSTILE, HOSTILE)).ask(media["square"], "What?", task="spatial_grounding")
    print_result(result)
    out = capsys.readouterr().out
    for wanted in ("[bold red]x[/bold red] [/nope]", "malformed"):
        assert wanted in out
    for forbidden in ("\x1b[2J", "\x1b]", "\x07", "\u202e", "\x9b", "\r", "\ud800"):
        assert forbidden not in out
    print_result(result, as_json=True)
    out = capsys.readouterr().out
    assert out.isascii() and out.count("\n") == 1 and "\x1b" not in out
    assert json.loads(out)["answer"] == result.answer.text


VALUES = {
    "spatial_grounding": ('{"boxes": [1, 2, 30, 40]}', "square"),
    "temporal_grounding": ('{"time": [0.5, 1.0]}', "even"),
    "spatial_temporal_grounding": ('{"time": [0, 1], "boxes": {"0": [1, 2, 30, 40], "1": [1, 2, 30, 40]}}', "even"),
    "tracking": ('{"boxes": {"1": [1, 2, 30, 40], "2": [1, 2, 30, 40]}}', "even"),
    "image_segmentation": (
        '{"boxes": [1, 2, 30, 40], "positive_points": [[1, 2], [3, 4], [5, 6]], '
        '"negative_points": [[50, 2], [50, 4], [50, 6]]}',
        "square",
    ),
    "numerical": ("3", "square"),
    "math": ("$\\frac{1}{2}$", "square"),
    "ocr": ("STOP", "square"),
}


@pytest.mark.parametrize("task", VALUES)
def test_json_holds_the_parsed_value(task, model_saying, media, capsys, tmp_path):
    answer, name = VALUES[task]
    result = model_saying(said(answer)).ask(media[name], "it", task=task)
    print_result(result, as_json=True, draw=tmp_path / "d.png")
    found = json.loads(capsys.readouterr().out)
    assert (found["status"], found["thinking"], found["answer"]) == ("ok", "I look.", answer)
    assert found["drawing"] == str(tmp_path / "d.png") and found["problem"] == ""
    numbers = [float(n) for n in _numbers(json.loads(answer))] if answer.startswith("{") else []
    assert set(numbers) <= set(_numbers(found["value"]))
    assert found["value"] is not None


def _numbers(value) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in _numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in _numbers(v)]
    return [float(value)] if isinstance(value, int | float) else []
