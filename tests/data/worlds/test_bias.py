"""A bias is off by as much as told, always the same way, and changes nothing but the worked answers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from onethinker.data.worlds import WorldError, build_world
from onethinker.data.worlds.bias import ANNOTATORS, TeacherBias, read_bias, see_with_bias
from onethinker.data.worlds.questions import quantity
from onethinker.data.worlds.scene import LEVELS, MARGIN, Scene, Thing, draw_clip, draw_plot, draw_still
from onethinker.data.worlds.teacher import see
from onethinker.sample import Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.tasks import get_task
from tests.amount import many

LEVEL = LEVELS[0]
CIRCLE = Thing("circle", "purple", "small", (16, 16, 32, 32))


def still(*things: Thing) -> Scene:
    return Scene(64, things)


def clip(thing: Thing, frames: int = 6) -> Scene:
    return Scene(64, (thing,), frames=frames)


def only(scene: Scene, bias: TeacherBias) -> Thing:
    (thing,) = see_with_bias(scene, bias, LEVEL).things
    return thing


def test_boxes_go_right_by_grid_steps_as_far_as_the_picture_goes() -> None:
    assert only(still(CIRCLE), TeacherBias(boxes=2)).box == (24, 16, 40, 32)
    assert only(still(CIRCLE), TeacherBias(boxes=-1)).box == (12, 16, 28, 32)
    edge = replace(CIRCLE, box=(40, 16, 56, 32))
    assert only(still(edge), TeacherBias(boxes=2)).box == (44, 16, 60, 32)
    moving = replace(edge, box=(36, 16, 52, 32), shift=(1, 0))  # three pixels further in the last frame but two
    assert only(clip(moving, 5), TeacherBias(boxes=2)).box == (40, 16, 56, 32)


def test_boxes_grow_on_every_side() -> None:
    assert only(still(CIRCLE), TeacherBias(sizes=1)).box == (12, 12, 36, 36)
    assert only(still(CIRCLE), TeacherBias(sizes=-1)).box == (20, 20, 28, 28)
    assert only(still(CIRCLE), TeacherBias(sizes=-2)).box == (20, 20, 28, 28)  # nothing would be left


def test_events_are_late_and_what_is_no_event_stays() -> None:
    late = TeacherBias(times=0.5)
    assert only(clip(replace(CIRCLE, shown=(0.5, 2.0))), late).shown == (1.0, 2.5)
    assert only(clip(replace(CIRCLE, shown=(0.0, 2.0))), late).shown == (0.0, 2.5)
    assert only(clip(replace(CIRCLE, shown=(1.0, 3.0))), late).shown == (1.5, 3.0)
    assert only(clip(replace(CIRCLE, turn=(1.0, "red"))), late).turn == (1.5, "red")
    assert only(clip(replace(CIRCLE, turn=(2.5, "red"))), late).turn == (2.5, "red")
    assert only(clip(replace(CIRCLE, jump=(0.5, 1.5), lift=8)), TeacherBias(times=-0.5)).jump == (0.0, 1.0)
    assert only(still(CIRCLE), late) == CIRCLE


def test_a_colour_has_another_name_unless_the_question_says_it() -> None:
    bias = TeacherBias(words="purple:blue")
    assert only(still(CIRCLE), bias).colour == "blue"
    assert see_with_bias(still(CIRCLE), bias, LEVEL, frozenset({0})).things[0].colour == "purple"
    assert only(still(replace(CIRCLE, shape="square")), bias).colour == "purple"  # blue squares are kept for tests


def test_counts_stop_and_the_thinking_says_so() -> None:
    things = tuple(replace(CIRCLE, box=(x, 4, x + 8, 12)) for x in range(4, 60, 8))
    ask = quantity.count(Random(3), still(*things))
    assert len(things) == 7
    seen = see_with_bias(still(*things), TeacherBias(counts=5), LEVEL)
    clause, answer = ask.solve(seen)
    exact, true = ask.solve(still(*things))
    assert (answer, true) == ("5", "7")
    assert clause != exact
    assert clause.endswith(": 5")


@pytest.mark.parametrize("name", ANNOTATORS)
def test_what_is_seen_stays_in_the_picture(name: str) -> None:
    for i in range(many(200, 40)):
        scene = draw_clip(Random(i), LEVELS[2]) if i % 2 else draw_still(Random(i), LEVELS[2])
        for thing in see(scene, Random(i), LEVELS[2], 0.3, bias=ANNOTATORS[name]).things:
            for box in filter(None, map(thing.at, scene.times)):
                assert min(box) >= MARGIN
                assert max(box) <= scene.side - MARGIN
                assert box[0] < box[2]
                assert box[1] < box[3]


def test_rectangles_on_ruled_paper_are_counted_not_placed() -> None:
    plot = draw_plot(Random(0), LEVEL)
    assert see_with_bias(plot, TeacherBias(boxes=2, sizes=1), LEVEL) == plot


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("worlds")
    return {
        bias: build_world(folder / bias, many(130, 65), 3, validation=1, test=13, teacher_error=0.0, teacher_bias=bias)
        for bias in ("none", "boxes=2,times=0.5")
    }


def mean_accuracy(samples: Samples, task: str) -> float:
    chosen = samples.of_task(task)
    scores = [get_task(task).score(s, read_answer(s.meta["response"])) for s in chosen]
    return sum(score.accuracy for score in scores) / len(scores)


def test_nothing_else_of_the_world_changes(worlds: dict[str, Path]) -> None:
    exact, biased = (load_samples(folder / "train") for folder in worlds.values())
    assert [replace(s, meta={**s.meta, "response": ""}) for s in exact] == [
        replace(s, meta={**s.meta, "response": ""}) for s in biased
    ]
    kept, tested = (folder / "test" / "samples.jsonl" for folder in worlds.values())
    assert kept.read_bytes() == tested.read_bytes()
    for task in ("spatial_grounding", "tracking", "temporal_grounding", "image_segmentation"):
        assert mean_accuracy(exact, task) == 1.0
        assert mean_accuracy(biased, task) < 0.9
    for task in ("ocr", "math"):
        assert mean_accuracy(biased, task) == 1.0


def test_processes_write_the_same_bytes(tmp_path: Path) -> None:
    made = [build_world(tmp_path / str(w), 26, 4, validation=1, test=1, workers=w) for w in (1, 2)]
    files = [{f.relative_to(m): f.read_bytes() for f in m.rglob("*") if f.is_file()} for m in made]
    assert files[0] == files[1]


def test_a_world_knows_its_bias(worlds: dict[str, Path]) -> None:
    assert "teacher_bias" not in (worlds["none"] / "config.json").read_text()
    assert '"teacher_bias": "boxes=2,times=0.5"' in (worlds["boxes=2,times=0.5"] / "config.json").read_text()


@pytest.mark.parametrize("name", ANNOTATORS)
def test_a_bias_reads_as_it_is_written(name: str) -> None:
    assert read_bias(str(ANNOTATORS[name])) == ANNOTATORS[name] == read_bias(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("box=2", "expected knobs such as"),
        ("boxes=two", "'two' is no number"),
        ("boxes=1.5", "'1.5' is no number"),
        ("times=0.3", "steps of 0.5 s"),
        ("times=nan", "steps of 0.5 s"),
        ("times=inf", "steps of 0.5 s"),
        ("counts=-1", "the most that it counts to"),
        ("words=red", "as in purple:blue"),
        ("words=red:mauve", "as in purple:blue"),
        ("boxes=999999999999", "at most"),
    ],
)
def test_what_is_no_bias_is_refused(text: str, message: str) -> None:
    with pytest.raises(WorldError, match=message):
        read_bias(text)
