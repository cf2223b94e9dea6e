"""Prompt sets and the messages made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from onethinker.sample import DataError
from onethinker.tasks import TASKS
from onethinker.tasks.prompts import PromptError, PromptSet, load_prompts
from tests.tasks.examples import JSON_TASKS, sample_of


@pytest.mark.parametrize("name", TASKS)
def test_full_asks_for_thinking_and_shows_the_form(name: str) -> None:
    text = TASKS[name].prompt(sample_of(name), load_prompts("full"))
    for tag in ("<think>", "</think>", "<answer>", "</answer>"):
        assert tag in text
    assert "What is it?" in text and "{" + "question}" not in text and "{options}" not in text
    if name in JSON_TASKS:
        assert f"<answer>{TASKS[name].example}</answer>" in text
        assert not any(digit in TASKS[name].example.replace('"9"', "").replace('"10"', "") for digit in "3456789")


@pytest.mark.parametrize("name", TASKS)
def test_short_is_a_word_and_the_question(name: str) -> None:
    text = TASKS[name].prompt(sample_of(name), load_prompts("short"))
    options = "\nA. red\nB. green\nC. blue\nD. cannot be seen" if name == "multiple_choice" else ""
    mark, word = text.removesuffix("What is it?" + options).split(">")
    assert mark in ("<image", "<video") and word.strip().removesuffix(":").isalpha()


def test_options_stand_line_by_line_and_vanish_where_there_are_none() -> None:
    task, full = TASKS["multiple_choice"], load_prompts("full")
    assert "What is it?\nA. red\nB. green\n" in task.prompt(sample_of("multiple_choice"), full)
    assert "What is it?\n\nLook" in task.prompt(sample_of("multiple_choice", options=()), full)


def test_marks_place_the_media() -> None:
    task, short = TASKS["open_ended"], load_prompts("short")
    two = sample_of("open_ended", media=("a.png", "b.png"))
    assert task.prompt(two, short).startswith("<image><image>answer: ")
    placed = sample_of("open_ended", media=("a.png", "b.png"), question="Is <image> like <image>?")
    assert task.prompt(placed, short) == "answer: Is <image> like <image>?"
    with pytest.raises(DataError, match=r"open_ended-1: 1 .* 2 media"):
        task.prompt(sample_of("open_ended", media=("a.png", "b.png"), question="Is <image> red?"), short)
    clip = sample_of("open_ended", modality="video-image", media=("a.mp4", "b.png"))
    assert task.prompt(clip, short).startswith("<video><image>")
    frames = sample_of("open_ended", modality="video", media=("a.gif",))
    assert task.prompt(frames, short).startswith("<video>answer")
    assert task.prompt(sample_of("open_ended", modality="image", media=("a.gif",)), short).startswith("<image>answer")
    assert task.prompt(sample_of("open_ended", modality="text", media=()), short) == "answer: What is it?"


def test_a_question_is_not_a_template() -> None:
    sample = sample_of("multiple_choice", question="Say {options} or {question} or \\1?")
    assert "Say {options} or {question} or \\1?\nA. red" in TASKS["multiple_choice"].prompt(
        sample, load_prompts("short")
    )


def test_file_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("system: Be brief.\nocr: 'Read this. {question}'\n", encoding="utf-8")
    mine = load_prompts(file)
    assert (mine.name, mine.system, dict(mine.templates)) == ("mine", "Be brief.", {"ocr": "Read this. {question}"})
    assert TASKS["ocr"].prompt(sample_of("ocr"), mine) == "<image>Read this. What is it?"
    with pytest.raises(PromptError, match="no template for task 'math'"):
        TASKS["math"].prompt(sample_of("math"), mine)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("orc: '{question}'", "nearest is 'ocr'"),
        ("ocr: read", "lacks {question}"),
        ("multiple_choice: '{question}'", "lacks {options}"),
        ("ocr: 3", "expected `task: template`"),
        ("- ocr", "expected `task: template`"),
        ("system: x", "no task's template"),
        ("ocr: [", "not YAML"),
        ("ocr: 'Read {question}'\nocr: 'Write {question}'", "the key 'ocr' stands twice"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PromptError, match=problem) as error:
        load_prompts(file)
    assert "bad.yaml" in str(error.value)


def test_unknown_name_lists_the_named_ones() -> None:
    with pytest.raises(PromptError, match="short, full"):
        load_prompts("fulll")


def test_digest_is_of_the_words_alone() -> None:
    one = PromptSet("a", "", {"ocr": "{question}"})
    assert one.digest == PromptSet("b", "", {"ocr": "{question}"}).digest
    others = [
        PromptSet("a", "x", {"ocr": "{question}"}),
        PromptSet("a", "", {"ocr": "{question}."}),
        load_prompts("full"),
    ]
    assert len({one.digest, load_prompts("short").digest, *(o.digest for o in others)}) == 5
    assert len(one.digest) == 16
