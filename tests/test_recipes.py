"""Recipes: published settings, overrides, YAML, and errors that name the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from onethinker.recipes import SHIPPED, Recipe, RecipeError, load_recipe, trained_with
from onethinker.recipes.base import override

PUBLISHED = ["qwen3_vl_2b", "qwen3_vl_8b"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    recipe = SHIPPED[name]
    sft, rl, measured = recipe.sft, recipe.rl, recipe.evaluate
    assert (sft.optimizer.kind, sft.optimizer.lr, sft.batch) == ("adamw", 1e-5, 32)
    assert sft.freeze_vision and sft.freeze_projector
    assert sft.budget is not None
    assert (sft.budget.image_pixels, sft.budget.frame_pixels) == (802_816, 100_352)
    assert (rl.optimizer.kind, rl.optimizer.lr, rl.prompts, rl.minibatch, rl.group) == ("adamw", 2e-6, 128, 32, 8)
    assert (rl.kl, rl.clip_low, rl.clip_high, rl.dual_clip) == (0.01, 0.2, 0.3, 3.0)
    assert (rl.algorithm, rl.algorithm_options) == ("ema_grpo", {"beta": 0.99, "clip": 5.0, "guard": "clip"})
    assert (rl.max_prompt_tokens, rl.max_tokens, rl.reward) == (16_384, 4096, "released")
    assert (rl.filter_groups, rl.accuracy_low, rl.accuracy_high) == (True, 0.01, 0.99)
    assert not rl.freeze_vision and not rl.freeze_projector
    media = recipe.media
    assert (media.max_frames, media.fps, media.image_pixels, media.frame_pixels) == (128, 2.0, 1_048_576, 64 * 32**2)
    assert (measured.budget.image_pixels, measured.budget.frame_pixels) == (1024 * 32**2, 256 * 32**2)
    assert measured.max_tokens == 8192
    assert recipe.model.base == f"Qwen/Qwen3-VL-{name[-2:].upper()}-Instruct"


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_yaml_and_json_round_trip(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({"base": name} | recipe.model_dump(mode="json")))
    assert load_recipe(str(file)) == recipe
    (tmp_path / "onethinker.json").write_text(recipe.model_dump_json())
    assert trained_with(str(tmp_path)) == recipe


@pytest.mark.parametrize(
    ("text", "key", "expected"),
    [
        ("sft.optimizer.lr=1e-5", "sft.optimizer.lr", 1e-5),
        ("sft.optimizer.lr=2", "sft.optimizer.lr", 2.0),
        ("rl.optimizer.betas=[0.8, 0.99]", "rl.optimizer.betas", (0.8, 0.99)),
        ("rl.algorithm_options.beta=0.9", "rl.algorithm_options", {"beta": 0.9, "clip": 5.0, "guard": "clip"}),
        ("rl.algorithm_options={beta: 1e-1}", "rl.algorithm_options", {"beta": 0.1}),
        ("rl.algorithm_options={}", "rl.algorithm_options", {}),
        ("rl.filter_groups=false", "rl.filter_groups", False),
        ("sft.steps=null", "sft.steps", None),
        ("sft.budget.image_pixels=4096", "sft.budget.image_pixels", 4096),
        ("data.train=2024", "data.train", "2024"),
        ("data.train=no", "data.train", "no"),
        ("model.base=1e5", "model.base", "1e5"),
        ("model.base=C:=x", "model.base", "C:=x"),
        ("data.media_root=", "data.media_root", ""),
        ("evaluate={batch: 3}", "evaluate.batch", 3),
        ("evaluate={batch: 3}", "evaluate.max_tokens", 8192),
    ],
)
def test_overrides(text: str, key: str, expected: object) -> None:
    found: object = override(SHIPPED["qwen3_vl_8b"], [text])
    for part in key.split("."):
        found = getattr(found, part)
    assert found == expected


def test_an_absent_section_can_be_set_in_part() -> None:
    assert SHIPPED["mini"].sft.budget is None
    budget = load_recipe("mini", ["sft.budget.max_frames=4"]).sft.budget
    assert budget is not None and budget.max_frames == 4


def test_another_algorithm_leaves_the_options_of_the_one_before() -> None:
    assert load_recipe("qwen3_vl_8b", ["rl.algorithm=grpo"]).rl.algorithm_options == {}
    kept = ["rl.algorithm=mt_grpo", "rl.algorithm_options.rate=0.1"]
    assert load_recipe("qwen3_vl_8b", kept).rl.algorithm_options == {"rate": 0.1}
    assert load_recipe("qwen3_vl_8b", ["rl.algorithm=ema_grpo"]).rl.algorithm_options["beta"] == 0.99


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sft.optimizer.lrr=1", "sft.optimizer.lr "),
        ("train.lr=1e-5", r"optimizer\.lr "),
        ("rl.grup=4", r"rl\.group "),
        ("prompt=short", "prompts "),
        ("model.dtype.x=1", "no such key"),
        ("sft", "expected key=value"),
        ("=3", "no such key"),
        ("rl.steps=many", "rl.steps: .*integer"),
        ("rl.steps=1.5", "rl.steps: .*integer"),
        ("rl.group=0", "rl.group: .*greater than 0"),
        ("sft.optimizer.lr=nan", "sft.optimizer.lr"),
        ("sft.optimizer.lr=.inf", "sft.optimizer.lr"),
        ("sft.optimizer.betas=[0.9]", "betas"),
        ("rl.optimizer.betas=[0.9, 1.0]", r"rl.optimizer.betas.1: .*less than 1"),
        ("seed=-1", "seed: .*greater than or equal to 0"),
        ("rl.dual_clip=1", "rl.dual_clip: .*greater than 1"),
        ("rl.accuracy_low=0.995", "rl.accuracy_high: .*no prompt could train, got 0.99"),
        ("data.difficulty=[0.9, 0.1]", "data.difficulty: .*the lower bound comes first"),
        ("model.dtype=float16", "'float32' or 'bfloat16'"),
        ("rl=5", "rl: "),
        ("rl.algorithm_options=[", "not YAML"),
        ("media.fps=0", "media.fps"),
    ],
)
def test_what_cannot_be_set_is_refused_with_a_way_out(text: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        load_recipe("mini", [text])


MINE = """
base: qwen3_vl_2b
rl:
  optimizer: {lr: 1e-6}
  algorithm: mt_grpo
  algorithm_options: {rate: 2.5E-1}
sft.batch: 8
data:
  train: '2024'
"""


def test_yaml_changes_keys_of_its_base(tmp_path: Path) -> None:
    file = tmp_path / "colours.yaml"
    file.write_text(MINE)
    recipe = load_recipe(str(file), ["seed=7"])
    assert recipe.name == "colours"
    assert (recipe.rl.optimizer.lr, recipe.rl.algorithm, recipe.sft.batch) == (1e-6, "mt_grpo", 8)
    assert recipe.rl.algorithm_options == {"rate": 0.25}
    assert (recipe.data.train, recipe.seed) == ("2024", 7)
    assert recipe.rl.optimizer.schedule == SHIPPED["qwen3_vl_2b"].rl.optimizer.schedule
    assert recipe.media == SHIPPED["qwen3_vl_2b"].media


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found NoneType"),
        (b"- a", "found list"),
        (b"a: [", "not YAML"),
        (b"[" * 2000, "not YAML"),
        (b"rl: {steps: 5}\nseed: 1\nrl: {prompts: 8}", "the key 'rl' stands twice"),
        (b"rl: {steps: 5, 'steps': 6}", "the key 'steps' stands twice"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"base: qwen", "base 'qwen' is not shipped; expected one of mini"),
        (b"base: [1]", "is not shipped"),
        (b"sft: {bach: 3}", "sft.bach: no such key; the nearest is sft.batch"),
        (b"1: 2", "1: no such key"),
        (b"sft: 3", "sft: "),
        (b"rl: {group: eight}", "rl.group: "),
        (b"!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_bad_yaml_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    with pytest.raises(RecipeError, match=said) as caught:
        load_recipe(str(file))
    assert "bad.yaml" in str(caught.value)


def test_a_renamed_key_names_its_new_name_and_old_checkpoints_load() -> None:
    with pytest.raises(RecipeError, match=r"rl\.rows: no such key; it is called rl\.decode_batch_size now"):
        load_recipe("mini", ["rl.rows=8"])
    saved = json.loads(load_recipe("mini").model_dump_json())
    saved["rl"]["rows"] = saved["rl"].pop("decode_batch_size") + 1
    made = Recipe.model_validate_json(json.dumps(saved))
    assert made == load_recipe("mini", [f"rl.decode_batch_size={saved['rl']['rows']}"])
    assert made.deciding()["rl"]["rows"] == saved["rl"]["rows"], "run folders of version 0.1 resume"


def test_unknown_recipes_name_the_nearest() -> None:
    with pytest.raises(RecipeError, match="nearest is 'qwen3_vl_8b'"):
        load_recipe("qwen3_8b")
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe("missing.yaml")


def test_recipes_do_not_change() -> None:
    before = SHIPPED["mini"].model_dump_json()
    override(SHIPPED["mini"], ["rl.algorithm_options.beta=0.5", "sft.batch=1"])
    assert SHIPPED["mini"].model_dump_json() == before
    assert Recipe.model_validate_json(before) == SHIPPED["mini"]
    assert trained_with("no such folder") is None
