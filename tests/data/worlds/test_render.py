"""Pixels and masks say what the scene says; areas against geometry, run lengths against pycocotools."""

from __future__ import annotations

import math
from random import Random

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco

from onethinker.data.worlds.render import GROUNDS, RGB, mask, outline, render, run_lengths
from onethinker.data.worlds.scene import LEVELS, Scene, Thing, Word, draw_clip, draw_still


@pytest.mark.parametrize(
    ("shape", "share"),
    [("circle", math.pi / 4), ("square", 1), ("rectangle", 1), ("triangle", 0.5), ("diamond", 0.5), ("hexagon", 0.75),
     ("cross", 0.64)],
)  # fmt: skip
@pytest.mark.parametrize("side", [16, 24])
def test_outlines_have_the_area_of_their_shape(shape: str, share: float, side: int) -> None:
    assert outline(shape, side, side).mean() == pytest.approx(share, abs=0.03)


@pytest.mark.parametrize("shape", ["circle", "square", "triangle", "diamond", "hexagon", "cross"])
@pytest.mark.parametrize("side", [12, 16, 20, 24, 28])
def test_outlines_touch_all_four_edges_of_their_box(shape: str, side: int) -> None:
    cover = outline(shape, side, side)
    assert min(cover[0].max(), cover[-1].max(), cover[:, 0].max(), cover[:, -1].max()) > 0.1


def test_pixels_have_the_colour_of_what_is_there() -> None:
    for i in range(40):
        scene = draw_clip(Random(i), LEVELS[0])
        frames = render(scene)
        assert frames.shape == (scene.frames, scene.side, scene.side, 3)
        for second, frame in zip(scene.times, frames, strict=True):
            for thing in scene.things:
                if box := thing.at(second):
                    pixel = frame[(box[1] + box[3]) // 2, (box[0] + box[2]) // 2]
                    assert tuple(int(v) for v in pixel) == RGB[thing.colour_at(second)]


def test_a_mask_is_where_the_colour_is_and_fills_the_box() -> None:
    for i in range(40):
        scene = draw_still(Random(i), LEVELS[0])
        frame = render(scene)[0].astype(int)
        for index, thing in enumerate(scene.things):
            pixels = mask(scene, index, 0.0)
            x, y, w, h = cv2.boundingRect(pixels)
            assert np.abs(np.array([x, y, x + w, y + h]) - thing.box).max() <= 1
            distance = [np.linalg.norm(frame - c, axis=-1) for c in (RGB[thing.colour], GROUNDS[scene.background])]
            near = distance[0] < distance[1]
            inside = near[thing.box[1] : thing.box[3], thing.box[0] : thing.box[2]].sum()
            assert inside == pytest.approx(pixels.sum(), rel=0.03)


def test_a_mask_is_empty_while_its_thing_is_away_and_has_a_hole_where_another_hides_it() -> None:
    away = Thing("square", "red", "big", (8, 8, 32, 32), shown=(1.0, 2.0))
    front = Thing("square", "blue", "small", (24, 24, 40, 40))
    scene = Scene(64, (away, front), frames=6)
    assert mask(scene, 0, 0.5).sum() == 0
    assert mask(scene, 0, 1.0).sum() == 24 * 24 - 8 * 8
    assert mask(scene, 1, 1.0).sum() == 16 * 16


def test_run_lengths_are_read_back_by_pycocotools() -> None:
    pixels = mask(draw_still(Random(3), LEVELS[2]), 0, 0.0)
    encoded = run_lengths(pixels)
    assert encoded["size"] == [96, 96]
    np.testing.assert_array_equal(coco.decode(encoded), pixels)


def test_words_are_drawn_in_their_colour_inside_the_picture() -> None:
    frame = render(Scene(64, words=(Word("H1", (3, 17), "red"),), pitch=16))[0]
    ink = (frame == RGB["red"]).all(-1)
    assert ink.sum() == 4 * (17 + 10)  # H has 17 dots, 1 has 10, each 2 × 2 pixels
    rows, columns = np.nonzero(ink)
    assert (rows.min(), rows.max(), columns.min()) == (17, 30, 3)
