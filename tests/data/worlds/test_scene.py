"""Scenes keep their promises: grid, margin, unique names, held-out combinations, room, times."""

from __future__ import annotations

from random import Random

import pytest

from onethinker.data.worlds.scene import FPS, LEVELS, UNSEEN, Level, Scene, Thing, draw_clip, draw_plot, draw_still

ROUNDS = 60


def scenes(level: Level) -> list[Scene]:
    rng = Random(7)
    return [draw(rng, level) for draw in (draw_still, draw_clip) for _ in range(ROUNDS)]


@pytest.mark.parametrize("difficulty", range(len(LEVELS)))
def test_edges_lie_on_the_grid_inside_a_margin_of_four_pixels(difficulty: int) -> None:
    level = LEVELS[difficulty]
    for scene in scenes(level):
        for thing in scene.things:
            for box in filter(None, map(thing.at, scene.times)):
                assert all(edge % level.grid == 0 for edge in box)
                assert min(box) >= 4
                assert max(box) <= scene.side - 4


@pytest.mark.parametrize("difficulty", range(len(LEVELS)))
def test_names_are_unique_at_all_times_and_never_a_held_out_combination(difficulty: int) -> None:
    for scene in scenes(LEVELS[difficulty]):
        names = [{(t.colour_at(s), t.shape) for s in scene.times} for t in scene.things]
        assert sum(map(len, names)) == len(set.union(*names))
        assert not set.union(*names) & UNSEEN


@pytest.mark.parametrize("difficulty", range(len(LEVELS)))
def test_things_hide_at_most_what_the_level_allows(difficulty: int) -> None:
    level = LEVELS[difficulty]
    for scene in scenes(level):
        for second in scene.times:
            boxes = [b for t in scene.things if (b := t.at(second))]
            cells = [{(x, y) for x in range(b[0], b[2]) for y in range(b[1], b[3])} for b in boxes]
            for i, one in enumerate(cells):
                for other in cells[:i]:
                    assert len(one & other) <= level.overlap * min(len(one), len(other)) + 1e-9


def test_a_thing_lives_in_time() -> None:
    thing = Thing("circle", "red", "small", (8, 20, 24, 36), shift=(4, 0), shown=(0.5, 2.0))
    assert thing.at(0) is None
    assert thing.at(0.5) == (12, 20, 28, 36)
    assert thing.at(1.5) == (20, 20, 36, 36)
    assert thing.at(2.0) is None
    turned = Thing("circle", "red", "small", (8, 20, 24, 36), turn=(1.0, "blue"))
    assert [turned.colour_at(s) for s in (0.5, 1.0)] == ["red", "blue"]
    jumper = Thing("circle", "red", "small", (8, 20, 24, 36), jump=(1.0, 2.0), lift=8)
    assert [jumper.at(s) for s in (0.5, 1.5, 2.0)] == [(8, 20, 24, 36), (8, 12, 24, 28), (8, 20, 24, 36)]


def test_clips_do_something_and_events_begin_and_end_on_frames() -> None:
    events = set()
    for scene in (draw_clip(Random(i), LEVELS[0]) for i in range(300)):
        events |= {t.event for t in scene.things}
        assert any(t.event != "still" for t in scene.things)
        for t in scene.things:
            spans = [s for s in (t.shown, t.jump) if s] + ([(t.turn[0], scene.seconds)] if t.turn else [])
            assert all((2 * v).is_integer() and 0 <= v <= scene.seconds for span in spans for v in span)
            assert all(end - start >= 1 for start, end in [s for s in (t.shown, t.jump) if s])
    assert events == {"shows", "moves", "turns", "jumps", "still"}


def test_the_key_ignores_the_ground_and_nothing_else() -> None:
    thing = Thing("circle", "red", "small", (8, 20, 24, 36))
    scene = Scene(64, (thing,), background=1, grain=3)
    assert scene.key() == Scene(64, (thing,), background=2).key()
    assert scene.key() != Scene(64, (thing,), frames=6).key()
    assert scene.key() != Scene(64, (Thing("circle", "red", "small", (12, 20, 28, 36)),)).key()


def test_plots_lie_on_the_ruled_lines() -> None:
    for i in range(50):
        scene = draw_plot(Random(i), LEVELS[0])
        assert all(edge % scene.ruled == 0 for edge in scene.things[0].box)
        assert FPS == 2
