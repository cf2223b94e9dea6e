"""Keys of a recipe that say how a model is asked: each takes effect in `onethinker eval`; what was used is recorded."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from onethinker import inference
from onethinker.cli.app import app
from onethinker.engines.scripted import ScriptedEngine
from onethinker.evaluate import run as evaluation
from onethinker.models.shipped import RECIPE_FILE
from onethinker.recipes import SHIPPED, RecipeError, answering, override, trained_with
from onethinker.recipes.answering import answering_engine, asked_as
from onethinker.recipes.base import Recipe, leaves
from onethinker.sample import Sample, Samples, save_samples
from tests.amount import thinned

CHANGED: dict[str, tuple[object, str]] = {
    "seed": (5, "engine.seed"),
    "prompts": ("full", "prompts"),
    "model.dtype": ("bfloat16", "engine.dtype"),
    "model.attention": ("eager", "engine.attention"),
    "model.device": ("meta", "engine.device"),
    "data.limit": (2, "questions"),
    "evaluate.max_tokens": (7, "greedy.max_tokens"),
    "evaluate.batch": (9, "engine.decode_batch_size"),
    "evaluate.sampled": (3, "sampled.n"),
    "evaluate.temperature": (0.5, "sampled.temperature"),
    "evaluate.metric_profile": ("released", "profile"),
    "evaluate.reward": ("hardened", "reward"),
    "evaluate.bootstrap": (77, "draws"),
    "evaluate.budget.image_pixels": (2048, "budget.image_pixels"),
    "evaluate.budget.frame_pixels": (2049, "budget.frame_pixels"),
    "evaluate.budget.fps": (1.5, "budget.fps"),
    "evaluate.budget.max_frames": (3, "budget.max_frames"),
}
"""Key → another value, and what of an evaluation it changes to that value."""
ELSEWHERE = {
    "data.evaluate",
    "data.media_root",
    "data.train",
    "data.difficulty",
    "data.buffer",
    "data.max_unreadable",
    "model.base",
}
"""The data are flags below, the rest of `data` is for training, and `model.base` is the MODEL."""


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A folder that says it was trained by the mini recipe, on a machine of its own."""
    folder = tmp_path / "model"
    folder.mkdir()
    recipe = override(SHIPPED["mini"], ["model.device=cuda:7", "data.limit=1", "evaluate.bootstrap=20"])
    (folder / RECIPE_FILE).write_text(recipe.model_dump_json())
    return folder


@pytest.fixture
def data(tmp_path: Path, media) -> Path:
    """Four questions on one picture, in a file."""
    one = Sample("0", "multiple_choice", "image", "Which?", "A", options=("A. x", "B. y"), media=("square.png",))
    made = tuple(replace(one, id=str(i), question=f"Which of {i}?") for i in range(4))
    return save_samples(Samples(made, media["square"].parent), tmp_path / "samples.jsonl")


@pytest.fixture
def evaluated(trained, data, media, tmp_path, monkeypatch):
    """`evaluated(*words)`: what `onethinker eval MODEL words…` gave to its parts, and its summary."""

    def call(*words: str, name: str = "out") -> dict[str, Any]:
        seen: dict[str, Any] = {}
        engine = ScriptedEngine(lambda request, index: "<think>so</think><answer>A</answer>")

        def make(model: str, engine_name: str | None, **options: Any) -> ScriptedEngine:
            seen.update({f"engine.{key}": value for key, value in options.items()})
            return engine

        def answer(requests, sampling):
            kind = "greedy" if sampling.temperature == 0 else "sampled"
            seen.update({f"{kind}.{key}": getattr(sampling, key) for key in ("n", "temperature", "max_tokens")})
            seen.update({f"budget.{key}": value for key, value in requests[0].budget.model_dump().items()})
            return ScriptedEngine.answer(engine, requests, sampling)

        def spied_bootstrap(draws: int, seed: int) -> Any:
            seen["draws"] = draws
            return bootstrap(draws, seed)

        bootstrap = evaluation.Bootstrap
        monkeypatch.setattr(engine, "answer", answer, raising=False)
        monkeypatch.setattr(answering, "make_engine", make)
        monkeypatch.setattr(evaluation, "Bootstrap", spied_bootstrap)
        out = tmp_path / name
        given = ["--data", str(data), "--media-root", str(media["square"].parent), "--segmenter", "none"]
        done = CliRunner().invoke(app, ["eval", str(trained), *given, "--out", str(out), *words])
        assert done.exit_code == 0, (done.output, done.exception)
        seen["summary"] = summary = json.loads((out / "summary.json").read_text())
        names = {"questions": summary["questions"], "profile": summary["metric_profile"],
                 "reward": summary["reward_profile"], "prompts": summary["prompts"]["name"]}  # fmt: skip
        return seen | names

    return call


@pytest.mark.parametrize("key", thinned(CHANGED, every=3))
def test_a_key_takes_effect(key, evaluated):
    value, where = CHANGED[key]
    before, after = evaluated(name="before"), evaluated("--set", f"{key}={value}", name="after")
    assert before[where] != value and after[where] == value


def test_every_key_that_says_how_a_model_is_asked_is_tried():
    keys = [key for key, _ in leaves(Recipe(name="x").model_dump())]
    asked = {k for k in keys if k.split(".")[0] in ("seed", "prompts", "model", "data", "evaluate")}
    assert asked == set(CHANGED) | ELSEWHERE


@pytest.mark.parametrize(
    ("flag", "key"),
    [("--dtype", "model.dtype"), ("--device", "model.device"), ("--attention", "model.attention"),
     ("--prompts", "prompts"), ("--limit", "data.limit")],
)  # fmt: skip
def test_a_flag_is_short_for_a_key(flag, key, evaluated):
    value, where = CHANGED[key]
    assert evaluated(flag, str(value))[where] == value


def test_where_a_model_was_trained_and_on_how_much_says_nothing_of_where_it_is_asked(trained):
    recipe = asked_as(str(trained)).overridden(["evaluate.batch=9"])
    assert (recipe.model.device, recipe.model.base, recipe.data.limit) == ("auto", str(trained), None)
    assert (recipe.prompts, recipe.evaluate.batch, recipe.evaluate.bootstrap) == ("short", 9, 20)
    with pytest.raises(RecipeError, match=r"the model that is asked is .*model; name another one there"):
        asked_as(str(trained)).overridden(["model.base=mini"])
    with pytest.raises(RecipeError, match=r"no such key; the nearest is evaluate\.batch"):
        asked_as(str(trained)).overridden(["evaluate.bach=3"])


@pytest.mark.parametrize(
    ("model", "dtype", "prompts"),
    [("mini", "float32", "short"), ("mini:3", "float32", "short"), ("org/name", "bfloat16", "full")],
)
def test_a_model_without_a_recipe_has_the_shipped_one_of_its_name_or_the_published_one(model, dtype, prompts):
    recipe = asked_as(model).overridden()
    assert (recipe.model.dtype, recipe.prompts) == (dtype, prompts)


def test_the_local_engine_is_what_the_recipe_says_and_says_so():
    recipe = asked_as("mini").overridden(["model.device=cpu", "evaluate.batch=9", "model.attention=eager", "seed=2"])
    engine = answering_engine(recipe)
    assert engine.settings == {"device": "cpu", "dtype": "float32", "attention": "eager", "batch": 9}
    assert engine.model.name_or_path == "mini:2"


def test_what_is_recorded_is_what_was_used(evaluated):
    """A scripted engine has neither dtype nor batch, so that its summary has none."""
    summary = evaluated("--dtype", "bfloat16", "--set", "evaluate.batch=9")["summary"]
    assert summary["computed"] == {} and "batch" not in summary["config"]


def test_ask_takes_the_same_keys(trained, monkeypatch):
    seen: dict[str, Any] = {}
    monkeypatch.setattr(answering, "make_engine", lambda *words, **options: seen.update(options))
    model = inference.load_model(
        str(trained), prompts="full", dtype="bfloat16", overrides=["evaluate.batch=9", "evaluate.budget.max_frames=3"]
    )
    assert (seen["dtype"], seen["decode_batch_size"]) == ("bfloat16", 9)
    assert (model.prompts.name, model.budget.max_frames) == ("full", 3)


def test_the_data_of_an_evaluation_are_keys_too(trained, data):
    refused = CliRunner().invoke(app, ["eval", str(trained), "--set", f"data.evaluate={data}", "--suite", "mmstar"])
    assert refused.exit_code == 2 and "either --data DATA or --suite" in refused.output


def test_a_model_that_learned_by_a_reward_of_ones_own_is_asked_without_it(trained):
    file = trained / RECIPE_FILE
    whole = json.loads(file.read_text())
    file.write_text(json.dumps(whole | {"rl": whole["rl"] | {"reward": "mine"}}))
    asked = asked_as(str(trained))
    assert asked.trained and asked.overridden(["evaluate.batch=3"]).evaluate.batch == 3
    with pytest.raises(RecipeError, match=rf"{RECIPE_FILE}: rl.reward: .* no reward profile 'mine'.* --plugin FILE"):
        trained_with(str(trained))
    file.write_text(json.dumps(whole | {"evaluate": whole["evaluate"] | {"reward": "mine"}}))
    with pytest.raises(RecipeError, match=r"evaluate.reward: .* no reward profile 'mine'"):
        asked_as(str(trained))


@pytest.mark.parametrize(
    ("content", "said"), [("{", "not JSON"), ("[1]", "found list"), ('{"name": "x", "mode": 1}', "mode: Extra inputs")]
)
def test_a_recipe_that_cannot_be_read_is_named(content, said, trained):
    (trained / RECIPE_FILE).write_text(content)
    for read in (trained_with, asked_as):
        with pytest.raises(RecipeError, match=f"{RECIPE_FILE}: .*{said}"):
            read(str(trained))
