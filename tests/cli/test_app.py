"""The command line as a person types it: help in whole, refusals before anything heavy is loaded, a run's folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from PIL import Image
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.models.shipped import ModelError, find_model, known_model, locate
from onethinker.recipes import SHIPPED, RecipeError, load_recipe
from onethinker.recipes.base import leaves, meaning
from onethinker.recipes.show import rows
from tests.amount import thinned
from tests.engines.openai_stub import Stub, said

MARKS = re.compile(r"<[^<>\s]+(?: [^<>]+)?>|\[[^\[\]]+\]")


def _commands(command, path=()):
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, (*path, name))


@pytest.mark.parametrize(
    ("path", "command"), thinned(_commands(typer.main.get_command(app)), every=4), ids=lambda x: str(x)[:40]
)
def test_help_keeps_every_angle_and_square_bracket(path, command) -> None:
    done = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"})
    shown = re.sub(r"[\s│]+", "", done.output)
    texts = [command.help or "", *(getattr(p, "help", None) or "" for p in command.params)]
    marks = [mark for text in texts for mark in MARKS.findall(text)]
    assert done.exit_code == 0
    assert [mark for mark in marks if re.sub(r"\s+", "", mark) not in shown] == []


def test_the_version_is_the_package_s() -> None:
    from importlib.metadata import version

    assert CliRunner().invoke(app, ["--version"]).output == f"onethinker {version('onethinker')}\n"


REFUSED = [
    (["ask", "{image}", "What?", "--task", "spatial_groundin"], "the nearest is 'spatial_grounding'"),
    (["ask", "{folder}/missing.jpg", "What?"], "missing.jpg: no such file"),
    (["ask", "{image}", "What?", "--draw", "{folder}/out.xyz"], "drawings are written as"),
    (["ask", "{image}", "What?", "--draw", "{folder}/out.mp4"], "drawings are written as"),
    (["ask", "{image}", "What?", "--draw", "{image}/out.png"], "give another --draw"),
    (
        ["ask", "{image}", "What?", "--save-crops", "{image}"],
        "is a file; a folder is needed, give another --save-crops",
    ),
    (["ask", "{image}", "What?", "--save-turns", "{image}"], "give another --save-turns"),
    (["ask", "{image}", "What?", "--segmenter", "sam3"], "segmenter 'sam3' is unknown"),
    (["data", "world", "--out", "{image}"], "a.png: File exists; a folder is needed and this is a file"),
    (["data", "world", "--out", "{image}/in"], "Not a directory; a part of this path is a file"),
    (["ask", "{image}", "What?", "--model", "mini-lr"], "the nearest is 'mini-rl'"),
    (["ask", "{image}", "What?", "--model", "{folder}/nothing/here"], "no such folder"),
    (["eval", "{folder}/nothing", "--data", "{folder}"], "no such folder"),
    (["eval", "mini-rl", "--data", "{folder}/missing.jsonl"], "missing.jsonl"),
    (["score", "{folder}", "--out", "{folder}/out.jsonl"], "no results.jsonl in this folder; expected a file of lines"),
    (["sft", "mimi"], "recipe 'mimi' is not shipped; the nearest is 'mini'"),
    (["sft", "missing.yaml"], "no such recipe file"),
    (["sft", "{folder}/bad.yaml"], "bad.yaml: not YAML"),
    (["sft", "--data", "{folder}/missing"], "missing"),
    (["sft", "--data", "{image}", "--set", "sft.optimizer.kind=lion"], "'adamw' or 'muon', got 'lion'"),
    (["sft", "--data", "{image}", "--set", "prompts=long"], "prompts 'long'"),
    (["sft", "--data", "{image}", "--out", "{image}/run"], "is a file"),
    (["rl", "--data", "{image}", "--set", "rl.algorithm=ppo", "--out", "{folder}/run"], "algorithm 'ppo'"),
    (["rl", "--data", "{image}", "--set", "rl.algorithm_options.betta=1"], "did you mean beta"),
    (["rl", "--data", "{image}", "--set", "rl.algorithm_options.beta=2"], "expected 0 <= beta < 1"),
    (["rl", "--data", "{image}", "--model", "nothing"], "neither shipped"),
    (["rl", "--data", "{image}", "--workers", "2"], "--workers 2 is of --ray ADDRESS"),
    (["sft", "--data", "nowhere://x"], "nowhere://x: cannot be opened"),
    (["plan", "mini", "--gpu", "h1000"], "--gpu: no GPU 'h1000'"),
    (["plan", "mini", "--utilisation", "0"], "--utilisation: 0 is no number above 0 and at most 1"),
    (["plan", "mini", "--tflops", "nan"], "--tflops: nan"),
    (["plan", "mini", "--memory", "-3"], "--memory: -3"),
    (["plan", "mini", "--clip-seconds", "inf"], "--clip-seconds: inf"),
    (["plan", "mini", "--set", "sft.steps=null", "--set", "data.train=nowhere://x"], "nowhere://x: cannot be opened"),
]

TRY_ALL = """
import io, json, sys
from contextlib import redirect_stdout
from onethinker.cli import ending
from onethinker.cli.app import app
from typer.main import get_command
command = get_command(app)
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    told = io.StringIO()
    try:
        with redirect_stdout(told):
            command()
    except SystemExit as end:
        said = f"exit {end.code}: {told.getvalue().strip()}"
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        said = ending.words(error) if ending.is_ours(error) else f"not ours: {error!r}"
    print(json.dumps([said, [m for m in ("torch", "transformers") if m in sys.modules]]), flush=True)
"""


SERVED = ["ask", "{image}", "What?", "--task", "open_ended", "--json", "--model", "{server}"]


def test_neither_refusals_nor_a_servers_answer_need_torch(tmp_path: Path) -> None:
    """And refusals leave nothing behind."""
    server = Stub()
    server.reply = lambda body: said("<think>so</think><answer>a dot</answer>")
    Image.new("RGB", (16, 16)).save(tmp_path / "a.png")
    (tmp_path / "bad.yaml").write_text("sft: [")
    names = {"folder": tmp_path, "image": tmp_path / "a.png", "server": f"{server.url}#first"}
    tried = [*REFUSED, (SERVED, '"answer": "a dot"')]
    asked = [[word.format(**names) for word in words] for words, _ in tried]
    done = subprocess.run(
        [sys.executable, "-c", TRY_ALL, json.dumps(asked)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    server.close()
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(tried), done.stderr
    for (words, expected), (found, heavy) in zip(tried, answers, strict=True):
        assert expected in found, (words, found)
        assert "\n" not in found or "bad.yaml" in found
        assert not heavy, words
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "bad.yaml"}


def _run(folder: Path, *steps: int) -> Path:
    for step in steps:
        (folder / "checkpoints" / f"step-{step:06d}").mkdir(parents=True)
        (folder / "checkpoints" / f"step-{step:06d}" / "config.json").write_text('{"model_type": "qwen3_vl"}')
    (folder / "config.json").write_text('{"kind": "sft", "recipe": {}}')
    return folder


def test_a_run_s_folder_stands_for_its_last_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = _run(tmp_path, 5, 1000000)
    assert locate(str(run)) == find_model(str(run)) == str(run / "checkpoints" / "step-1000000")
    assert "its last checkpoint is step-1000000" in capsys.readouterr().err
    assert find_model(str(run / "checkpoints" / "step-000005")).endswith("step-000005")
    assert capsys.readouterr().err == ""


def test_the_runs_of_a_demo_s_folder_are_named(tmp_path: Path) -> None:
    run = _run(tmp_path / "demo" / "rl", 2)
    (tmp_path / "demo" / "world").mkdir()
    with pytest.raises(ModelError, match=rf"one of the runs in it may be meant: {re.escape(str(run))}$"):
        known_model(str(tmp_path / "demo"))


def test_a_folder_is_never_looked_up_at_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for name in ("runs/mine", "./mine", "/nowhere/mine", "runs/a/b/c", "~/x/y"):
        with pytest.raises(ModelError, match="no such folder"):
            known_model(name)
    with pytest.raises(ModelError, match=r"no config\.json in this folder"):
        known_model("runs")
    for name in ("mini", "mini:3", "mini-rl", "http://localhost:1/v1", "Qwen/Qwen3-VL-2B-Instruct"):
        known_model(name)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_every_key_says_what_it_means_and_recipe_show_lists_it(name: str) -> None:
    shown = CliRunner().invoke(app, ["recipe", "show", name]).output
    for row in rows(SHIPPED[name]):
        assert len(row.meaning.split()) > 2 and row.kind not in ("", "section"), row.key
        assert f"{row.key} = {row.value}" in shown and row.meaning in shown
    sections = {key.rpartition(".")[0] for key, _ in leaves(SHIPPED[name].model_dump())} - {""}
    assert all(map(meaning, sections))


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("rl.profile", "rl.reward"),
        ("rl.rollouts", "rl.group"),
        ("rl.estimator", "rl.algorithm"),
        ("sft.learning_rate", "sft.optimizer.lr"),
        ("sft.updates", "sft.steps"),
        ("rl.grup", "rl.group"),
    ],
)
def test_an_unknown_key_names_the_one_that_means_it(key: str, meant: str) -> None:
    with pytest.raises(RecipeError, match=rf"the nearest is {re.escape(meant)} "):
        load_recipe("mini", [f"{key}=1"])


@pytest.mark.parametrize(
    "words",
    [
        ("rollouts", "run"),
        ("rl", "mini"),
        ("data", "convert", "refcoco", "root", "--split", "val", "--out", "out"),
        ("export", "lmms-eval", "data", "--out", "out"),
    ],
)
@pytest.mark.parametrize("limit", ["0", "-3"])
def test_a_limit_below_one_is_no_limit(words: tuple[str, ...], limit: str) -> None:
    done = CliRunner().invoke(app, [*words, "--limit", limit])
    assert done.exit_code == 2 and "--limit" in done.output and "or equal to 1" in done.output


def test_a_filter_that_nothing_passes_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("onethinker.report.rollouts.read_rollouts", lambda *_: iter(()))
    done = CliRunner().invoke(app, ["rollouts", str(tmp_path), "--step", "9", "--min-reward", "1.2"])
    assert done.exit_code == 1 and "no answer matches --min-reward 1.2 --step 9" in done.stderr


def test_difficulty_asks_in_words_that_tell_of_the_models_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seen(Exception):
        pass

    def measure(corpus, folder, asked, **rest):
        raise Seen(asked.prompts.system, asked.engine.identity)

    monkeypatch.setattr("onethinker.corpus.difficulty.measure_difficulty", measure)
    script = tmp_path / "script.json"
    script.write_text("{}")
    told = ["data", "difficulty", str(tmp_path), "--model", str(script), "--engine", "scripted", "--as", "mini"]
    done = CliRunner().invoke(app, [*told, "--set", "tools.names=[zoom]"])
    assert isinstance(done.exception, Seen), done.output
    system, identity = done.exception.args
    assert "tools: zoom" in system and "tools=zoom" in identity
