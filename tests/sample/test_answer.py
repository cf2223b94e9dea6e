"""Where an answer stands in a response, and what counts as format."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.sample import answer
from onethinker.sample.answer import MAX_CHARS, Answer, Status, read_answer
from tests.amount import many

PUBLISHED_FORMAT = re.compile(r"\A\s*<think>.*?</think>\s*<answer>.*?</answer>\s*\Z", re.DOTALL)


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ("<think>a</think><answer>b</answer>", Answer(Status.OK, "a", "b", 1, 1)),
        (" <think> a </think>\n\n<answer> b </answer> ", Answer(Status.OK, "a", "b", 1, 1)),
        ("<think></think><answer>b</answer>", Answer(Status.OK, "", "b", 1, 0)),
        ("<think>a</think><answer></answer>", Answer(Status.OK, "a", "", 1, 1)),
        ("<answer>b</answer>", Answer(Status.OK, "", "b", 0, 0)),
        ("<think>a</think>so <answer>b</answer>", Answer(Status.OK, "a", "b", 0, 0)),
        ("so <think>a</think><answer>b</answer>", Answer(Status.OK, "a", "b", 0, 0)),
        ("<think>a</think><answer>b</answer>.", Answer(Status.OK, "a", "b", 0, 0)),
        ("<think>a</think><answer>b</answer><answer>c</answer>", Answer(Status.OK, "a", "c", 1, 0)),
        ("<think>a</think><answer>see <answer></answer>", Answer(Status.OK, "a", "see <answer>", 1, 0)),
        ("<think>a</think><answer>b</answer><answer>c <answer></answer>", Answer(Status.OK, "a", "c <answer>", 1, 0)),
        ("<think><answer>b</answer></think><answer>c</answer>", Answer(Status.OK, "<answer>b</answer>", "c", 1, 0)),
        ("<think><answer>b</answer></think>", Answer(Status.NO_ANSWER, "<answer>b</answer>", "…", 0, 0)),
        ("<think><answer>b</answer>", Answer(Status.NO_ANSWER, "<answer>b</answer>", "…", 0, 0)),
        ("b", Answer(Status.NO_ANSWER, "", "…", 0, 0)),
        ("", Answer(Status.NO_ANSWER, "", "…", 0, 0)),
        ("<think>a</think><answer>b", Answer(Status.NO_ANSWER, "a", "…", 0, 0)),
    ],
)
def test_reading(response: str, expected: Answer) -> None:
    found = read_answer(response)
    text = response.strip() if expected.text == "…" else expected.text
    assert found == Answer(expected.status, expected.thinking, text, expected.format, expected.tidy)


def test_finish_reasons() -> None:
    assert read_answer("<think>a", "length").status is Status.TRUNCATED
    assert read_answer("<think>a</think><answer>b</answer>", "length").status is Status.OK
    assert read_answer("<think>a</think><answer>b</answer>", "error") == Answer(Status.ERROR, "", "", 0)


def test_too_long_is_malformed() -> None:
    assert read_answer("x" * MAX_CHARS).status is Status.NO_ANSWER
    assert read_answer("x" * (MAX_CHARS + 1)).status is Status.MALFORMED


@pytest.mark.parametrize(
    "tag", ["<think>", "</think>", "<answer>", "</answer>", "</think> ", " \n", "</think><answer>"]
)
def test_a_wall_of_tags_is_read_in_linear_time(tag: str) -> None:
    wall = "<think>" + tag * (900_000 // len(tag)) + "</answer>"
    began = time.process_time()
    read_answer(wall)
    assert time.process_time() - began < 1.0


PIECES = st.lists(
    st.sampled_from(["<think>", "</think>", "<answer>", "</answer>", "a", " ", "\n", "<", "think>"]), max_size=12
)


@settings(max_examples=many(200, 30), deadline=None)
@given(PIECES)
def test_format_is_the_published_pattern_where_an_answer_follows_the_thinking(pieces: list[str]) -> None:
    response = "".join(pieces)
    found = read_answer(response)
    if found.status is Status.OK:
        assert found.format == int(PUBLISHED_FORMAT.fullmatch(response) is not None)
    assert found.tidy <= found.format <= int(found.status is Status.OK)


PIECES = st.sampled_from(
    ["<think>", "</think>", "<answer>", "</answer>", "<", ">", " ", "\n", "\u3000", "\u200b", "a", "b c"]
)
USUAL = st.tuples(*(st.sampled_from([tag, tag, tag, ""]) | PIECES for tag in ("<think>", "</think>", "<answer>")))


@settings(max_examples=many(1000, 60), deadline=None)
@given(USUAL, st.lists(PIECES, min_size=4, max_size=4), st.sampled_from(["</answer>", "</answer> ", ""]))
def test_usual_responses_read_as_any_do(tags: tuple[str, ...], between: list[str], close: str) -> None:
    response = "".join(tag + text for tag, text in zip(tags, between)) + close
    usual = answer._read_usual(response)
    assert usual is None or usual == answer._read_any(response, "stop")


def test_the_usual_response_is_read_the_short_way() -> None:
    assert answer._read_usual("<think>a</think>\n<answer>b</answer>") == Answer(Status.OK, "a", "b", 1, 1)
    assert answer._read_usual("<think>a < b</think><answer>b</answer>") is None
