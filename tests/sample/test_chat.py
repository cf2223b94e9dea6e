"""Chat records in the forms that people have them."""

from __future__ import annotations

from typing import Any

import pytest

from onethinker.sample import DataError, parse_row, to_sft
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts

ASKED = {"role": "user", "content": "<image>How many?"}
TOLD = {"role": "assistant", "content": "<think>two</think><answer>2</answer>"}


def test_a_question_and_its_solution_are_enough() -> None:
    sample = parse_row({"messages": [ASKED], "images": ["a.png"], "solution": 2, "task": "numerical"}, "here")
    assert (sample.task, sample.truth, sample.media, sample.meta) == ("numerical", "2", ("a.png",), {})
    with pytest.raises(DataError, match="here: neither an assistant message nor a `solution`"):
        parse_row({"messages": [ASKED], "images": ["a.png"]}, "here")


@pytest.mark.parametrize("name", ["spatial_grounding", "Spatial Grounding", "spatial grounding"])
def test_the_task_is_read_as_the_problem_type_is(name: str) -> None:
    record = {"messages": [ASKED, TOLD], "images": ["a.png"]}
    for key in ("task", "problem_type"):
        assert parse_row(record | {key: name}, "here").task == "spatial_grounding"
    assert parse_row(record | {"task": name, "problem_type": name}, "here").task == "spatial_grounding"
    assert parse_row(record | {"task": "vqa", "problem_type": name}, "here").meta["task"] == "vqa"
    with pytest.raises(DataError, match="here: task 'vqa'; the nearest is 'math', all are multiple choice"):
        parse_row(record | {"task": "vqa"}, "here")
    with pytest.raises(DataError, match=r"problem_type .* and task 'ocr' differ"):
        parse_row(record | {"task": "ocr", "problem_type": name}, "here")


@pytest.mark.parametrize("task", ["image_segmentation", "segmentation"])
def test_segmentation_is_of_the_media(task: str) -> None:
    assert parse_row({"messages": [ASKED, TOLD], "images": "a.png", "task": task}, "").task == "image_segmentation"


def test_parts_place_their_media() -> None:
    parts = [
        {"type": "image", "image": "a.png", "text": None}, {"type": "text", "text": "and"},
        {"type": "video", "video": "b.mp4"}, {"type": "text", "text": ": a <video>?"},
    ]  # fmt: skip
    sample = parse_row({"messages": [{"role": "user", "content": parts}, TOLD]}, "here")
    assert (sample.question, sample.media) == (r"<image>and<video>: a \<video>?", ("a.png", "b.mp4"))
    bare = [{"type": "image"}, {"type": "text", "text": "How many?"}]
    sample = parse_row({"messages": [{"role": "user", "content": bare}, TOLD], "images": ["a.png"]}, "here")
    assert (sample.question, sample.media, sample.modality) == ("<image>How many?", ("a.png",), "image")


def test_several_turns_are_one_question() -> None:
    messages = [
        {"role": "system", "content": "Be brief."}, ASKED, TOLD,
        {"role": "user", "content": "And <image>?"}, {"role": "assistant", "content": "<answer>3</answer>"},
    ]  # fmt: skip
    sample = parse_row({"messages": messages, "images": ["a.png", "b.png"]}, "here")
    assert sample.question == "User: <image>How many?\nAssistant: 2\nUser: And <image>?"
    assert (sample.truth, sample.media, sample.meta["system"]) == ("3", ("a.png", "b.png"), "Be brief.")
    row = to_sft(sample, get_task(sample.task).prompt(sample, load_prompts("full")))
    assert parse_row(row, "here") == sample


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "tool", "content": "x"}], "message 1 has role 'tool'"),
        ([TOLD], "no user message before the answer"),
        ([ASKED, TOLD, TOLD], "no user message before the answer"),
        ([{"role": "user", "content": None}, TOLD], "message 1 has content None"),
        ([{"role": "user", "content": [{"type": "audio", "audio": "a.wav"}]}, TOLD], "a part of type 'audio'"),
        ([ASKED, {"role": "assistant", "content": [{"type": "image", "image": "a.png"}]}], "message 2 has a part"),
    ],
)
def test_what_is_wrong_with_a_chat_is_said(messages: Any, said: str) -> None:
    with pytest.raises(DataError, match=f"^here: .*{said}"):
        parse_row({"messages": messages, "images": ["a.png"]}, "here")


def test_media_stand_in_one_place() -> None:
    content = [{"type": "image", "image": "a.png"}]
    with pytest.raises(DataError, match="both name media"):
        parse_row({"messages": [{"role": "user", "content": content}, TOLD], "images": ["b.png"]}, "here")
