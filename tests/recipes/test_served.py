"""A checkpoint's settings travel with it: by the root that its server reports, or by `--as`; else what is assumed is
said."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.engines.base import EngineError
from onethinker.inference import load_model
from onethinker.models.shipped import shipped
from onethinker.recipes import SHIPPED, RecipeError
from onethinker.recipes.answering import asked_as
from onethinker.sample import Sample, Samples, save_samples
from onethinker.util.served import _by_later_name, _say_capped, post_chat
from onethinker.util.server import ServerError
from tests.amount import thinned
from tests.engines.openai_stub import Stub, said

ANSWER = "<think>so</think><answer>A</answer>"
MINI = SHIPPED["mini"]


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    _say_capped.cache_clear()
    _by_later_name.clear()
    with closing(Stub()) as made:
        made.reply = lambda body: said(ANSWER)
        yield made


@pytest.fixture
def serving(stub):
    """`serving(root, length)`: the stub serves what a vLLM there would."""

    def serve(root: str | Path, length: int | None = None, **more) -> Stub:
        card = {"id": "it", "root": str(root), "owned_by": "vllm", "max_model_len": length} | more
        stub.models = (200, {"data": [card]})
        return stub

    return serve


@pytest.fixture
def data(tmp_path: Path, media) -> Path:
    made = [
        Sample(
            str(i), "multiple_choice", "image", f"Which of {i}?", "A", options=("A. x", "B. y"), media=("square.png",)
        )
        for i in range(3)
    ]
    shutil.copy(media["square"], tmp_path)
    return save_samples(Samples(tuple(made), tmp_path), tmp_path / "samples.jsonl")


def evaluated(stub: Stub, data: Path, out: Path, *words: str):
    done = CliRunner().invoke(app, ["eval", stub.url, "--data", str(data), "--out", str(out), *words])
    assert done.exit_code == 0, done.output
    return json.loads((out / "summary.json").read_text()), done.stderr


def test_a_served_checkpoint_is_asked_as_it_was_trained(serving, data, tmp_path):
    folder = shipped()["mini-rl"]
    summary, told = evaluated(serving(folder, 16_384), data, tmp_path / "out")
    assert summary["prompts"]["name"] == MINI.prompts
    assert summary["config"]["budget"] == MINI.evaluate.budget.model_dump()
    assert {body["max_tokens"] for body in serving(folder).asked} == {MINI.evaluate.max_tokens}
    assert str(folder) in told and "prompts short" in told and "assumed" not in told
    assert asked_as(serving(folder).url).overridden() == asked_as("mini-rl").overridden().model_copy(
        update={"model": asked_as("mini-rl").overridden().model.model_copy(update={"base": serving(folder).url})}
    )


@pytest.mark.parametrize("like", thinned(["mini-sft", "mini", "FOLDER", "FILE"], "FOLDER"))
def test_as_names_a_checkpoint_or_a_recipe(serving, data, tmp_path, like):
    (tmp_path / "own.yaml").write_text("base: mini\n")
    like = {"FOLDER": str(shipped()["mini-sft"]), "FILE": str(tmp_path / "own.yaml")}.get(like, like)
    stub = serving("/elsewhere/checkpoint", 16_384)
    summary, told = evaluated(stub, data, tmp_path / "out", "--as", like)
    assert summary["prompts"]["name"] == "short" and {b["max_tokens"] for b in stub.asked} == {128}
    assert f"as {like}" in told.replace("\n", " ") and "assumed" not in told


@pytest.mark.parametrize(
    "root", thinned(["/elsewhere/checkpoint", "", "mini-rl", "x\0y", "x" * 5000, "."], "mini-rl", "x\0y")
)
def test_what_is_not_known_is_said_before_the_first_question(serving, data, tmp_path, root):
    """A server's word is no name of weights that come with the package, and never a failure."""
    stub = serving(root, 16_384)
    summary, told = evaluated(stub, data, tmp_path / "out")
    assert summary["prompts"]["name"] == "full" and {b["max_tokens"] for b in stub.asked} == {8192}
    assert told.count("assumed") == 1 and "--as" in told and "8,192 tokens" in told


def test_our_own_server_is_believed_the_name_and_how_much_it_writes(serving):
    """Shipped weights have the same name wherever they are served."""
    stub = serving("mini-rl", owned_by="onethinker", max_output_tokens=100)
    asked = asked_as(stub.url)
    assert (asked.source, asked.recipe.prompts) == ("mini-rl", "short")
    assert asked.overridden().evaluate.max_tokens == 100
    assert asked_as(serving("", owned_by="onethinker").url).source == "", "another server's weights behind it"


def test_a_hub_id_that_a_shipped_recipe_is_for_is_known(serving):
    asked = asked_as(serving(SHIPPED["qwen3_vl_2b"].model.base).url)
    assert (asked.recipe.name, asked.source) == ("qwen3_vl_2b", "qwen3_vl_2b")


def test_of_several_models_the_named_one_counts(stub):
    folder = str(shipped()["mini-rl"])
    stub.models = (200, {"data": [{"id": "base", "root": "/elsewhere", "max_model_len": 4096},
                                  {"id": "tuned", "root": folder, "parent": "base"}]})  # fmt: skip
    tuned = asked_as(f"{stub.url}#tuned")
    assert (tuned.recipe.prompts, tuned.served.max_length) == ("short", 4096)
    assert asked_as(stub.url).source == "" and asked_as(f"{stub.url}#none").source == ""


def test_neither_recipe_nor_checkpoint(stub, tmp_path):
    with pytest.raises(RecipeError, match=r"--as .*: expected a recipe \(mini.*or a checkpoint"):
        asked_as(stub.url, str(tmp_path))


def test_a_server_that_is_not_there_is_no_assumption(monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # it is asked several times over
    with pytest.raises(EngineError, match="cannot be listed"):
        asked_as("http://127.0.0.1:9/v1?timeout=0.1")


def test_more_tokens_than_the_server_holds_are_capped_and_said(serving, data, tmp_path):
    def reply(body):
        return said(ANSWER) if "max_tokens" not in body else (400, b"max_tokens is too large")

    stub = serving("/elsewhere", 4096)
    stub.reply = reply
    summary, told = evaluated(stub, data, tmp_path / "out")
    assert summary["n"] == 3 and summary["config"]["max_tokens"] == 4096
    assert len(stub.asked) == 3, "no request is sent that the server must refuse"
    assert told.count("max_model_len") == 1 and "4,096" in told


def test_a_prompt_that_leaves_less_room_is_asked_again_without_a_bound(serving, data, tmp_path):
    """What is left cannot be known before: vLLM says so in a refusal."""

    def reply(body):
        too_long = b"This model's maximum context length is 9000 tokens and your request has 900 input tokens"
        return said(ANSWER) if "max_tokens" not in body else (400, too_long)

    stub = serving("/elsewhere", 9000)
    stub.reply = reply
    summary, told = evaluated(stub, data, tmp_path / "out", "--set", "evaluate.max_tokens=8500")
    assert summary["n"] == 3 and told.count("max_model_len") == 1


def test_a_limit_by_its_later_name_is_obeyed_and_remembered(serving, data, tmp_path):
    """The words are OpenAI's, for models that think."""
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    refusal = {"error": {"message": words, "param": "max_tokens", "code": "unsupported_parameter"}}
    stub = serving("/elsewhere")
    stub.reply = lambda body: (400, refusal) if "max_tokens" in body else said(ANSWER)
    summary, told = evaluated(stub, data, tmp_path / "out", "--set", "evaluate.max_tokens=77")
    assert summary["n"] == 3 and "fewer tokens" not in told
    assert [body["max_completion_tokens"] for body in stub.asked if "max_tokens" not in body] == [77] * 3
    before = len(stub.asked)
    evaluated(stub, data, tmp_path / "again", "--set", "evaluate.max_tokens=78")
    assert len(stub.asked) == before + 3, "the refusal is remembered"


def test_another_complaint_about_the_limit_stays_one(stub):
    stub.reply = lambda body: (400, b"max_tokens must be a multiple of 8")
    with pytest.raises(ServerError, match="multiple of 8"):
        post_chat(stub.engine().server, {"model": "m", "max_tokens": 7, "messages": []}, lambda reply: reply)
    assert len(stub.asked) == 1


def test_ask_does_the_same(serving, media, capsys):
    stub = serving(shipped()["mini-rl"], 100)
    assert load_model(stub.url).ask(media["square"], "Which?", options=["A. x", "B. y"]).value == "A"
    assert load_model(stub.url, like="mini-sft").prompts.name == "short"
    told = capsys.readouterr().err
    assert "prompts short" in told and told.count("max_model_len") == 1
    assert all("max_tokens" not in body for body in stub.asked)


def test_a_folder_that_does_not_say_is_assumed_aloud(tmp_path, capsys):
    asked = asked_as(str(tmp_path))
    asked.tell(asked.overridden())
    assert "nothing here says how it was trained" in capsys.readouterr().err
    known = asked_as("mini-rl")
    known.tell(known.overridden())
    assert capsys.readouterr().err == ""
