"""A checkpoint is whole for transformers alone: its card's lines, run as they stand, give the answers of `ask`."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path
from random import Random

import pytest
from transformers import AutoProcessor, GenerationConfig

from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import LEVELS, draw_clip, draw_still, with_ground
from onethinker.inference import load_model
from onethinker.media import MediaBudget, write_clip, write_image
from onethinker.models.load import load, save
from onethinker.models.shipped import RECIPE_FILE, locate
from onethinker.recipes import SHIPPED, trained_with
from onethinker.sample import Sample
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts
from onethinker.train.card import CARD, snippet, write_card
from onethinker.train.sft import run_sft
from tests.amount import thinned

CODE = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    """The shipped weights, as training would write them."""
    folder = tmp_path_factory.mktemp("card") / "checkpoint"
    recipe = trained_with("mini-rl")
    model, processor = load("mini-rl", device="cpu")
    save(model, processor, folder, budget=recipe.evaluate.budget)
    (folder / RECIPE_FILE).write_text(Path(locate("mini-rl"), RECIPE_FILE).read_text())
    write_card(folder, recipe, RECIPE_FILE)
    return folder


@pytest.mark.parametrize("name", thinned(["a.png", "wide.png", "a.mp4", "long.mp4"], "wide.png"))
def test_the_cards_lines_give_the_answer_of_ask(checkpoint, name, tmp_path, monkeypatch, capsys):
    rng = Random(3)
    media, level = tmp_path / name, LEVELS[1 if name == "long.mp4" else 0]
    scene = with_ground(rng, level, (draw_clip if name.endswith("mp4") else draw_still)(rng, level))
    frames = render(scene)
    if name == "wide.png":
        write_image(media, frames[0][8:56])
    elif name.endswith("png"):
        write_image(media, frames[0])
    else:
        write_clip(media, frames, 2)
    question = "What is in it?"
    expected = load_model(str(checkpoint), device="cpu").ask(media, question, task="open_ended").response
    (lines,) = CODE.findall((checkpoint / CARD).read_text())
    (tmp_path / "ask.py").write_text(lines)
    monkeypatch.setattr(sys, "argv", ["ask.py", str(checkpoint), str(media), question])
    capsys.readouterr()
    runpy.run_path(str(tmp_path / "ask.py"))
    assert capsys.readouterr().out.strip() == expected.strip() != ""


def test_the_processors_files_hold_the_budget(checkpoint):
    budget, processor = SHIPPED["mini"].evaluate.budget, AutoProcessor.from_pretrained(checkpoint)
    image, video = processor.image_processor, processor.video_processor
    assert dict(image.size)["longest_edge"] == budget.image_pixels
    assert dict(video.size)["longest_edge"] == budget.frame_pixels * budget.max_frames
    assert (video.fps, video.max_frames) == (budget.fps, budget.max_frames)
    for frames, side in ((2, 512), (16, 512), (16, 64)):
        patches = video.get_num_of_video_patches(frames, side, side)
        assert patches * video.patch_size**2 * 2 <= frames * budget.frame_pixels


def test_generation_is_greedy_and_bounded_by_nobody_but_the_asker(checkpoint):
    config = GenerationConfig.from_pretrained(checkpoint)
    _, processor = load(str(checkpoint), device="cpu")
    assert config.eos_token_id == processor.tokenizer.eos_token_id and not config.do_sample
    said = json.loads((checkpoint / "generation_config.json").read_text())
    assert not said.keys() & {"top_k", "top_p", "temperature", "max_new_tokens", "repetition_penalty"}


def test_a_larger_budget_is_obeyed_all_the_same(checkpoint, tmp_path):
    """The bound in the files is for others: whoever asks through us names a budget."""
    media = write_clip(tmp_path / "big.mp4", render(draw_clip(Random(0), LEVELS[3])), 2)
    model = load_model(str(checkpoint), device="cpu")
    encoder = model.engine.encoder
    from onethinker.engines.base import Request

    wide = MediaBudget(image_pixels=1 << 20, frame_pixels=128 * 128, max_frames=32)
    prompt = encoder.encode(Request("x", "<video>", (media,), wide))
    assert prompt.media["video_grid_thw"][0, 1:].tolist() == [128 // 8, 128 // 8]


@pytest.mark.parametrize("recipe", SHIPPED.values(), ids=lambda recipe: recipe.name)
def test_the_words_are_those_that_ask_sends(recipe, tmp_path):
    prompts = load_prompts(recipe.prompts)
    write_card(tmp_path, recipe, RECIPE_FILE)
    card = (tmp_path / CARD).read_text()
    compile(snippet(recipe, prompts), "card", "exec")
    prompt = re.search(r"prompt = (?:.*else \"image\", )(.*)\.replace", snippet(recipe, prompts)).group(1)
    sample = Sample("x", "open_ended", "image", "Is it {odd}?", "", media=("a.png",))
    assert f"<image>{eval(prompt).replace('{question}', sample.question)}" == get_task("open_ended").prompt(
        sample, prompts
    )
    assert all(text in card for text in prompts.templates.values())


def test_training_writes_all_of_it(world, tiny, tmp_path):
    folder = run_sft(tiny("sft.steps=1", "sft.batch=2"), world, tmp_path / "run")
    assert "```python" in (folder / CARD).read_text()
    assert AutoProcessor.from_pretrained(folder).video_processor.max_frames == tiny().evaluate.budget.max_frames
    assert load(str(folder), device="cpu")[1].video_processor.cap_pixels_per_frame is False
