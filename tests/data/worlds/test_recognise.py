"""No picture of any world is taken for another's; most other pictures are told."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from PIL import Image, ImageFilter

from onethinker.data.worlds.recognise import may_be_of_a_world
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import (
    LEVELS,
    draw_clip,
    draw_digits,
    draw_plot,
    draw_still,
    draw_words,
    with_ground,
)
from onethinker.media import open_clip, write_clip
from tests.amount import many

KINDS = (draw_still, draw_clip, draw_words, draw_digits, draw_plot)


@pytest.mark.parametrize("difficulty", range(len(LEVELS)))
@pytest.mark.parametrize("draw", KINDS)
def test_no_false_alarm(difficulty, draw):
    level = LEVELS[difficulty]
    for seed in range(many(60, 6)):
        rng = Random(seed)
        scene = with_ground(rng, level, draw(rng, level))
        for frame in render(scene):
            assert may_be_of_a_world(Image.fromarray(frame)), (difficulty, draw.__name__, seed)


def test_nor_after_coding_or_at_another_size(tmp_path):
    for seed in range(6):
        rng = Random(seed)
        scene = with_ground(rng, LEVELS[seed % len(LEVELS)], draw_clip(rng, LEVELS[seed % len(LEVELS)]))
        clip = open_clip(write_clip(tmp_path / f"{seed}.mp4", render(scene), 2))
        frame = Image.fromarray(clip.frames[0])
        assert may_be_of_a_world(frame) and may_be_of_a_world(frame.resize((48, 48)))
        assert may_be_of_a_world(frame.resize((512, 512), Image.Resampling.BICUBIC))


def test_other_pictures_are_told():
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    smooth = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6))
    for other in (
        Image.fromarray(noise), smooth, smooth.resize((640, 480)), Image.new("RGB", (64, 64), "white"),
        Image.new("RGB", (96, 64), (238, 238, 238)), Image.new("RGB", (64, 64), (90, 160, 220)), Image.new("L", (1, 1)),
    ):  # fmt: skip
        assert not may_be_of_a_world(other)
