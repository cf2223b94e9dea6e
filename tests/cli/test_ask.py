"""`onethinker ask`: what reaches the terminal, and the exit status."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from onethinker import inference
from onethinker.cli.app import app
from onethinker.cli.asking import answer_one
from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model, Question
from onethinker.media import MediaBudget
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.engine import ToolEngine
from tests.tools.conftest import call


def said(answer: str, thinking: str = "I look.") -> str:
    return f"<think>{thinking}</think><answer>{answer}</answer>"


@pytest.mark.parametrize(
    ("response", "lines"),
    [("<think>I look <and look", ["I look <and look"]), ("It is a disc.", ["It is a disc."]),
     ("<think>so</think>A disc.", ["so", "A disc."])],
)  # fmt: skip
def test_without_an_answer_block_the_response_is_printed_once(response, lines, model_saying, media, capsys):
    answer_one(model_saying(response), Question(media["square"], "What?"), False, None, None)
    *printed, last = capsys.readouterr().out.splitlines()
    assert printed == lines and last.startswith("(no_answer")


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
    model = model_saying(said("a [red]disc[/red]", "I look.\nTwice."))
    answer_one(model, Question(media["square"], "What?"), False, tmp_path / "drawn.png", None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["I look.", "Twice.", "a [red]disc[/red]"]
    assert lines[-1] == str(tmp_path / "drawn.png") and (tmp_path / "drawn.png").exists()


def test_model_text_cannot_command_the_terminal(model_saying, media, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    model, question = model_saying(said(HOSTILE, HOSTILE)), Question(media["square"], "What?", "spatial_grounding")
    answer_one(model, question, False, None, None)
    out = capsys.readouterr().out
    for wanted in ("[bold red]x[/bold red] [/nope]", "malformed"):
        assert wanted in out
    for forbidden in ("\x1b[2J", "\x1b]", "\x07", "\u202e", "\x9b", "\r", "\ud800"):
        assert forbidden not in out
    result = answer_one(model, question, True, None, None)
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
    answer_one(model_saying(said(answer)), Question(media[name], "it", task), True, tmp_path / "d.png", None)
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


def lines_of(file) -> list[dict]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_what_is_asked_is_taken_from_the_words_and_said(model_saying, media, monkeypatch, tmp_path):
    model = model_saying(said('{"boxes": [0, 0, 500, 500]}'))
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model)
    ask = ["ask", str(media["square"]), "Where is the disc?", "--json", "--save-crops", str(tmp_path)]
    done = CliRunner().invoke(app, ask)
    found = json.loads(done.stdout)
    assert (found["task"], found["question"], found["inferred"]) == ("spatial_grounding", "the disc", "it asks where")
    assert "asked as spatial_grounding (it asks where); --task TASK asks otherwise" in done.stderr
    assert found["crops"] == [str(tmp_path / "the-disc-1.png")]
    done = CliRunner().invoke(app, [*ask, "--task", "open_ended"])
    assert json.loads(done.stdout)["task"] == "open_ended" and "asked as" not in done.stderr


def test_a_folder_is_a_row_each(model_saying, media, monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(said("yes")))
    out, drawn = tmp_path / "out.jsonl", tmp_path / "drawn"
    words = ["ask", str(media["square"].parent), "Is it?", "--out", str(out), "--draw", str(drawn)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    rows = lines_of(out)
    assert [row["id"] for row in rows] == sorted(file.name for file in media.values())
    assert {row["answer"] for row in rows} == {"yes"}
    assert sorted(file.suffix for file in drawn.iterdir()) == [".mp4"] * 3 + [".png"] * 2
    done = CliRunner().invoke(app, [*words[:3], "--draw", str(tmp_path / "x.png")])
    assert done.exit_code == 2 and "are a folder's" in done.output


def test_a_medium_of_a_folder_that_cannot_be_read_is_its_row_s_fault_alone(model_saying, media, monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(said("yes"), fail=["0"]))
    folder, out = tmp_path / "pictures", tmp_path / "out.jsonl"
    folder.mkdir()
    (folder / "a.png").write_text("no picture")
    (folder / "b.png").write_bytes(media["square"].read_bytes())
    places = [word for flag in ("draw", "save-crops", "save-turns") for word in (f"--{flag}", str(tmp_path / flag))]
    done = CliRunner().invoke(app, ["ask", str(folder), "Is it?", "--out", str(out), *places])
    assert isinstance(done.exception, SystemExit) and done.exit_code == 1, done.exception
    assert [row["status"] for row in lines_of(out)] == ["error", "ok"]
    assert f"2 questions, 1 not answered → {out}" in done.stderr and "not in form" not in done.stderr
    assert [file.name for file in (tmp_path / "draw").iterdir()] == ["b.png.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("  ",), "an empty question"),
        (("Which?", "--option", "A. red", "--option", "(a) blue"), "two options are lettered A"),
    ],
)
def test_a_question_that_says_nothing_or_two_things_is_refused_before_a_model_is_loaded(
    words, told, media, monkeypatch
):
    monkeypatch.setattr(inference, "load_model", lambda *_, **__: pytest.fail("loaded"))
    done = CliRunner().invoke(app, ["ask", str(media["square"]), *words])
    assert done.exit_code and told in f"{done.output}{done.exception}"


def test_options_that_begin_alike_or_have_no_letters_are_taken(model_saying, media, monkeypatch):
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(said("B")))
    options = ("--option", "A red one", "--option", "A blue one")
    assert CliRunner().invoke(app, ["ask", str(media["square"]), "Which?", *options]).exit_code == 0
    assert CliRunner().invoke(app, ["ask", str(media["square"]), "", "--task", "caption"]).exit_code == 0


def test_a_watch_without_an_answer_says_no_nan(model_saying, monkeypatch, tmp_path):
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(said("yes")))
    done = CliRunner().invoke(app, ["watch", str(tmp_path), "Is it?", "--seconds", "0.2"])
    assert done.exit_code == 0 and done.stderr == "0 answers, 0 frames seen, 0 skipped\n"


def test_rows_go_on_where_they_stopped(model_saying, media, monkeypatch, tmp_path):
    model = model_saying(said("yes"))
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model)
    source, out = tmp_path / "questions.jsonl", tmp_path / "out.jsonl"
    rows = [
        {"id": "a", "media": str(media["square"]), "question": "Is it?"},
        {"id": "b", "media": [str(media["square"]), str(media["wide"])], "question": "Which?", "options": ["A. 1"]},
        {"id": "c", "question": "When?", "media": "gone.png"},
        {"id": "d", "question": "Is it?", "medium": "typo.png"},
        {"id": "e", "question": "Where is it?", "media": str(media["square"]), "task": "nonsense"},
    ]
    source.write_text("".join(json.dumps(row) + "\n" for row in rows) + "not JSON\n")
    done = CliRunner().invoke(app, ["ask", str(source), "--out", str(out)])
    assert done.exit_code == 1
    found = {row["id"]: row for row in lines_of(out)}
    assert list(found) == ["a", "b", "c", "d", "e", "6"]
    assert (found["a"]["answer"], found["b"]["task"]) == ("yes", "multiple_choice")
    assert "gone.png" in found["c"]["problem"] and "unknown key 'medium'" in found["d"]["problem"]
    assert "no task 'nonsense'" in found["e"]["problem"] and "line 6: not JSON" in found["6"]["problem"]

    whole = out.read_text().splitlines(keepends=True)
    out.write_text(whole[0] + whole[1][:40])  # as a kill leaves it
    model.engine.asked.clear()
    CliRunner().invoke(app, ["ask", str(source), "--out", str(out)])
    assert [row["id"] for row in lines_of(out)] == list(found) and len(model.engine.asked) == 1
    out.write_text("something else\n")
    done = CliRunner().invoke(app, ["ask", str(source), "--out", str(out)])
    assert "not a row of answers" in str(done.exception) and out.read_text() == "something else\n"


def test_addresses_are_opened_of_named_hosts_only(model_saying, media, monkeypatch, tmp_path):
    from tests.http_stub import HttpStub

    class Files(HttpStub):
        def answer(self, path, body, key):
            return (200, media["square"].read_bytes()) if path == "/a%20b.png" else (302, b"")

    monkeypatch.setattr(inference, "load_model", lambda name, **options: model_saying(said("yes")))
    stub = Files()
    try:
        address = f"http://{stub.host}/a%20b.png"
        done = CliRunner().invoke(app, ["ask", address, "Is it?", "--json"])
        assert f"add --allow-host {stub.host}" in str(done.exception)
        done = CliRunner().invoke(app, ["ask", address, "Is it?", "--json", "--allow-host", stub.host])
        assert json.loads(done.stdout)["media"][0]["name"] == "a_b.png"
        moved = ["ask", f"http://{stub.host}/moved.png", "Is it?", "--allow-host", stub.host]
        assert "HTTP 302" in str(CliRunner().invoke(app, moved).exception)
        rows, out = tmp_path / "rows.jsonl", tmp_path / "out.jsonl"
        there = [
            {"question": "Is it?", "media": one} for one in (address, f"http://{stub.host}/moved.png", "http://b/")
        ]
        rows.write_text("\n".join(map(json.dumps, there)))
        CliRunner().invoke(app, ["ask", str(rows), "--out", str(out), "--allow-host", stub.host])
        found = lines_of(out)  # what cannot be had costs its row alone
        assert [row["status"] for row in found] == ["ok", "error", "error"]
        assert "HTTP 302" in found[1]["problem"] and "--allow-host b" in found[2]["problem"]
    finally:
        stub.close()


def test_thinking_comes_before_the_answer_is_whole(model_saying, media, capsys):
    model, seen = model_saying(said("yes", "I look.\n\nTwice.")), []
    result = model.ask(media["square"], "Is it?", on_text=seen.append)
    assert "".join(seen) == result.response and len(seen) > 2


def test_turns_are_written_and_told_of_one_question_and_of_many(media, tmp_path, monkeypatch):
    said_call = call("zoom", box=[0, 0, 500, 500])
    engine = ScriptedEngine(
        lambda request, _: said("red") if request.turns else f"<think>{'x ' * 90}</think>{said_call}"
    )
    model = Model(ToolEngine(engine, make_tools(["zoom"])), load_prompts("short"), MediaBudget(), 400)
    monkeypatch.setattr(inference, "load_model", lambda name, **options: model)
    told = ["ask", str(media["square"]), "Which?", "--save-turns", str(tmp_path / "one")]
    done = CliRunner().invoke(app, told)
    assert done.exit_code == 0, done.output
    shown, transcript = tmp_path / "one" / "turn-1-1.png", tmp_path / "one" / "transcript.png"
    assert done.output.splitlines()[-2:] == [str(shown), str(transcript)] and shown.exists() and transcript.exists()
    assert said_call in done.output  # on one line, however narrow the terminal
    row = json.loads(CliRunner().invoke(app, [*told, "--json"]).stdout)
    assert row["pictures"] == [str(shown)] and row["transcript"] == str(transcript)
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.png").write_bytes(media["square"].read_bytes())
    done = CliRunner().invoke(app, ["ask", str(folder), "Which?", "--save-turns", str(tmp_path / "many")])
    assert done.exit_code == 0 and (tmp_path / "many" / "a.png" / "turn-1-1.png").exists()
