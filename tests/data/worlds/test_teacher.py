"""The teacher errs as often as told, never about what the question says, and never sees what cannot be."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from onethinker.data.worlds.questions.ask import ALL
from onethinker.data.worlds.scene import (
    LEVELS,
    UNSEEN,
    Scene,
    draw_clip,
    draw_digits,
    draw_plot,
    draw_still,
    draw_words,
)
from onethinker.data.worlds.teacher import see
from tests.amount import many, thinned

LEVEL = LEVELS[0]


def clips(count: int) -> list[Scene]:
    return [draw_clip(Random(i), LEVEL) for i in range(count)]


def test_a_teacher_without_errors_sees_the_scene() -> None:
    rng = Random(0)
    for draw in (draw_still, draw_clip, draw_words, draw_digits, draw_plot):
        scene = draw(Random(1), LEVEL)
        assert see(scene, rng, LEVEL, 0.0) == scene


def test_every_place_and_every_time_is_wrong_at_rate_one() -> None:
    rng = Random(0)
    for scene in clips(100):
        for thing, seen in zip(scene.things, see(scene, rng, LEVEL, 1.0).things, strict=True):
            assert seen.box != thing.box
            if thing.turn or thing.jump:
                assert (seen.turn, seen.jump) != (thing.turn, thing.jump)


@pytest.mark.parametrize("rate", thinned([0.1, 0.4], 0.4))
def test_places_are_wrong_at_the_rate(rate: float) -> None:
    rng, scenes = Random(0), clips(many(1500, 500))
    pairs = [(t, s) for scene in scenes for t, s in zip(scene.things, see(scene, rng, LEVEL, rate).things, strict=True)]
    assert sum(t.box != s.box for t, s in pairs) / len(pairs) == pytest.approx(rate, abs=0.04)
    words = sum((t.colour, t.shape, t.size) != (s.colour, s.shape, s.size) for t, s in pairs)
    assert words / len(pairs) == pytest.approx(rate / 2, abs=0.03)


def test_what_the_question_names_is_never_wrong() -> None:
    rng = Random(0)
    for scene in clips(100):
        seen = see(scene, rng, LEVEL, 1.0, dict.fromkeys(range(len(scene.things)), ALL))
        for thing, other in zip(scene.things, seen.things, strict=True):
            assert (thing.colour, thing.shape, thing.size) == (other.colour, other.shape, other.size)


def test_what_is_seen_stays_in_the_picture_and_the_clip() -> None:
    rng = Random(0)
    for scene in clips(200):
        for thing in see(scene, rng, LEVEL, 1.0).things:
            boxes = [b for s in scene.times if (b := thing.at(s))]
            assert boxes
            assert all(min(b) >= 0 and max(b) <= scene.side for b in boxes)
            assert {(thing.colour, thing.shape)} & UNSEEN == set()


def test_words_and_rectangles_are_misread_by_one_letter_or_one_cell() -> None:
    rng = Random(0)
    for i in range(50):
        words = draw_words(Random(i), LEVEL)
        for word, seen in zip(words.words, see(words, rng, LEVEL, 1.0).words, strict=True):
            assert sum(a != b for a, b in zip(word.text, seen.text, strict=True)) == 1
        digits = see(draw_digits(Random(i), LEVEL), rng, LEVEL, 1.0)
        assert all(word.text.isdecimal() for word in digits.words)
        plot = draw_plot(Random(i), LEVEL)
        seen_plot = see(plot, rng, LEVEL, 1.0)
        off = [abs(a - b) for a, b in zip(plot.things[0].box, seen_plot.things[0].box, strict=True)]
        assert sorted(off) == [0, 0, 0, plot.ruled]
        assert replace(seen_plot, things=plot.things) == plot
