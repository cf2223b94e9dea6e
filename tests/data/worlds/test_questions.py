"""Every kind of question on scenes made by hand, with answers worked out by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from onethinker.data.worlds.questions import (
    ASKERS,
    FAMILIES,
    Unanswerable,
    askers,
    choice,
    families,
    language,
    places,
    quantity,
)
from onethinker.data.worlds.scene import Scene, Thing, Word, draw_still, level_of
from onethinker.sample import Sample
from onethinker.tasks import TASKS, score
from onethinker.tasks.asking import Ask
from tests.tasks.examples import respond

RED = Thing("circle", "red", "big", (4, 4, 28, 28))
GREEN = Thing("square", "green", "small", (44, 36, 60, 52))
STILL = Scene(64, (RED, GREEN))

MOVER = Thing("circle", "red", "small", (4, 4, 20, 20), shift=(4, 0))
GUEST = Thing("triangle", "green", "small", (40, 40, 56, 56), shown=(0.5, 2.0))
CLIP = Scene(64, (MOVER, GUEST), frames=6)
TURNED = Scene(64, (Thing("circle", "red", "small", (4, 4, 20, 20), turn=(1.5, "blue")),), frames=6)
JUMPER = Scene(64, (Thing("circle", "red", "small", (4, 20, 20, 36), jump=(0.5, 2.5), lift=8),), frames=6)


def answers(asker: Any, *scenes: Scene) -> dict[str, str]:
    """Question → answer (the option's own text where there are options), over many draws."""
    found = {}
    for seed in range(200):
        ask: Ask | None = asker(Random(seed), *scenes)
        if ask:
            _, answer = ask.solve(*scenes)
            chosen = next((o[3:] for o in ask.options if o[0] == answer), answer)
            assert found.setdefault(ask.question, chosen) == chosen
    return found


def test_every_task_is_asked_of_every_kind_of_scene_it_takes() -> None:
    assert set(FAMILIES) == {name for name, task in TASKS.items() if task.scenes and task.released}
    assert set(ASKERS) == {(task, family) for task, scenes in FAMILIES.items() for family in scenes}
    for task, scenes in families().items():
        assert all(askers(task, family) for family in scenes)


@pytest.mark.parametrize("task", [task for task in families() if task not in FAMILIES])
def test_questions_of_a_tasks_own_have_right_answers(task: str) -> None:
    """Of many scenes: whoever sees rightly earns the most, whoever sees nothing does not, and questions differ."""
    earned, kinds, questions = [], set(), set()
    for seed in range(60):
        rng = Random(seed)
        scene = draw_still(rng, level_of(seed % 4))
        for asker in askers(task, "still"):
            ask = asker(rng, scene)
            truth = ask.truth(scene) if ask.truth else ask.solve(scene)[1]
            sample = Sample("s", task, "image", ask.question, truth)
            assert score(sample, respond(ask.solve(scene)[1])).reward("hardened") == pytest.approx(2), ask.question
            unseen = [replace(t, shape="x", colour="y", size="z", box=(0, 0, 1, 1)) for t in scene.things]
            blind = ask.solve(replace(scene, things=tuple(unseen)))
            earned.append(score(sample, respond(blind[1])).reward("hardened"))
            kinds.add(ask.kind)
            questions.add(ask.question)
    assert sum(earned) / len(earned) < 1.9 and len(questions) > 12 and len(kinds) == len(askers(task, "still"))


@pytest.mark.parametrize(
    ("asker", "scene", "expected"),
    [
        (choice.colour, STILL, {"What colour is the circle?": "red", "What colour is the square?": "green"}),
        (choice.shape, STILL, {"Which shape is red?": "circle", "Which shape is green?": "square"}),
        (choice.where, STILL, {"Where is the red circle?": "top left", "Where is the green square?": "bottom right"}),
        (choice.happens, CLIP, {"What does the red circle do?": "moves right"}),
        (choice.happens, TURNED, {"What does the red circle do?": "changes colour"}),
        (choice.happens, JUMPER, {"What does the red circle do?": "jumps"}),
        (choice.becomes, TURNED, {"Which colour does the red circle turn?": "blue"}),
        (choice.becomes, CLIP, {}),
        (quantity.count_movers, CLIP, {"How many shapes move?": "1"}),
        (quantity.duration, CLIP, {"For how many seconds is the green triangle visible?": "1.5",
                                   "For how many seconds is the small green triangle visible?": "1.5"}),
        (quantity.digits, Scene(64, words=(Word("3", (3, 1), "red"), Word("4", (19, 1), "red"))),
         {"What is the sum of the two numbers?": "$7$", "What is the product of the two numbers?": "$12$"}),
        (quantity.plot, Scene(64, (Thing("rectangle", "red", "big", (8, 8, 32, 24)),), ruled=8),
         {"What is the area of the rectangle, in cells?": "$6$",
          "What is the perimeter of the rectangle, in cell sides?": "$10$"}),
        (language.transcribe, Scene(64, words=(Word("A3", (3, 1), "red"), Word("HC", (3, 33), "red"))),
         {"What does the text say?": "A3 HC"}),
        (language.extreme, STILL,
         {"Which shape is leftmost?": "The big red circle.", "Which shape is rightmost?": "The small green square.",
          "Which shape is topmost?": "The big red circle.", "Which shape is bottommost?": "The small green square."}),
        (language.mover, CLIP, {"Which shape moves, and which way?": "The small red circle moves right."}),
        (language.caption, STILL,
         {"Describe the picture.": "A big red circle at the top left and a small green square at the bottom right."}),
        (language.caption, CLIP,
         {"Describe what happens in the clip.":
          "A small red circle moves right, a small green triangle appears and disappears."}),
    ],
)  # fmt: skip
def test_answers_worked_out_by_hand(asker: Any, scene: Scene, expected: dict[str, str]) -> None:
    assert answers(asker, scene) == expected


def test_counts() -> None:
    found = answers(quantity.count, STILL)
    assert found["How many shapes are there?"] == "2"
    assert found["How many red shapes are there?"] == "1"
    assert found["How many squares are there?"] == "1"
    assert found["How many purple shapes are there?"] == "0"
    visible = answers(quantity.count_visible, CLIP)
    assert {s: visible[f"How many shapes are visible at {s} s?"] for s in ("0", "0.5", "1.5", "2")} == {
        "0": "1", "0.5": "2", "1.5": "2", "2": "1",
    }  # fmt: skip


def test_which_is_further_and_which_is_there() -> None:
    found = answers(choice.further, STILL)
    assert set(found.values()) == {"red circle"}
    assert any("further up" in q for q in found)
    for seed in range(50):
        ask = choice.present(Random(seed), STILL)
        assert ask and sum(o[3:] in ("red circle", "green square") for o in ask.options) == 1


def test_which_picture() -> None:
    other = Scene(64, (GREEN,))
    assert answers(choice.which_picture, STILL, other) == {
        "<image> <image> In which picture is there a red circle?": "the first"
    }
    assert set(answers(choice.which_picture, other, STILL).values()) == {"the second"}


def test_what_was_seen_wrongly_and_fits_no_option_cannot_be_answered() -> None:
    ask = choice.present(Random(0), STILL)
    assert ask
    with pytest.raises(Unanswerable, match="none of"):
        ask.solve(Scene(64))


def test_distance_is_the_middle_in_percent() -> None:
    found = answers(quantity.distance, Scene(64, (RED,)))
    assert set(found.values()) == {"25"}  # (4 + 28) / 2 of 64
    assert set(answers(quantity.distance, Scene(64, (GREEN,))).values()) == {"81", "69"}  # 52 and 44 of 64


def first_json(asker: Any, scene: Scene) -> tuple[str, Any]:
    ask = asker(Random(0), scene)
    return ask.question, json.loads(ask.solve(scene)[1])


def test_places_and_times() -> None:
    assert first_json(places.locate, Scene(64, (RED,)))[1] == {"boxes": [63, 63, 438, 438]}
    assert first_json(places.when, CLIP)[1] == {"time": [0.5, 2]}
    assert set(answers(places.when, TURNED).items()) == {
        ("the circle is red", '{"time":[0,1.5]}'),
        ("the circle is blue", '{"time":[1.5,3]}'),
    }
    assert first_json(places.where_and_when, CLIP)[1] == {"time": [0.5, 2], "boxes": {"1": [625, 625, 875, 875]}}
    assert first_json(places.where_and_when, JUMPER)[1] == {
        "time": [0.5, 2.5],
        "boxes": {"1": [63, 188, 313, 438], "2": [63, 188, 313, 438]},
    }


def test_tracks_follow_at_whole_seconds_from_key_one() -> None:
    question, answer = first_json(places.track, CLIP)
    assert "[63, 63, 313, 313]" in question
    assert answer == {"boxes": {"1": [63, 63, 313, 313], "2": [188, 63, 438, 313], "3": [313, 63, 563, 313]}}


def test_segmentation_points() -> None:
    _, answer = first_json(places.segment, Scene(64, (RED,)))
    assert answer == {
        "boxes": [63, 63, 438, 438],
        "positive_points": [[250, 156], [250, 250], [250, 344]],
        "negative_points": [[0, 250], [250, 0], [500, 250]],
    }
    assert first_json(places.segment, Scene(64, (GUEST,), frames=6))[1]["time"] == 0.5


def test_what_is_hidden_is_not_asked_to_be_segmented() -> None:
    front = Thing("square", "blue", "small", (20, 20, 36, 36))
    asked = {places.segment(Random(s), Scene(64, (RED, front))).segmented for s in range(30)}  # type: ignore[union-attr]
    assert asked == {1}
