"""Instructions against IFEval's own checkers: 53 of them on 48 texts, whose verdicts stand in `ifeval_cases.json`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from onethinker.measure import instructions
from onethinker.measure.instructions import CHECKS, checked, count_sentences, follows, follows_loosely, language

CASES = json.loads(Path(__file__).with_name("ifeval_cases.json").read_text(encoding="utf-8"))
GUESSED = ("language:response_language", "change_case:english_capital", "change_case:english_lowercase")
"""Where the language is told, by another library: the same for a text of eight words, not for scraps."""
PINNED_ELSEWHERE = {"length_constraints:number_sentences"}
"""The official tool needs a download for it."""


@pytest.mark.parametrize("case", CASES["instructions"], ids=lambda case: case["id"])
def test_verdicts_are_the_official_ones(case: dict[str, Any]) -> None:
    checked(case["id"], case["kwargs"])
    for text, strict, loose in zip(CASES["texts"], case["strict"], case["loose"], strict=True):
        guessed = case["id"] in GUESSED
        if not guessed or len(text.split()) >= 8:
            assert follows(text, case["id"], case["kwargs"]) == (strict == "1"), text
        if not guessed:
            assert follows_loosely(text, case["id"], case["kwargs"]) == (loose == "1"), text


def test_every_instruction_is_pinned_both_ways() -> None:
    named = {case["id"] for case in CASES["instructions"]}
    assert named == CHECKS.keys() - PINNED_ELSEWHERE
    for name in named:
        verdicts = "".join(case["strict"] for case in CASES["instructions"] if case["id"] == name)
        assert {"0", "1"} == set(verdicts), name


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One", 1),
        ("One. Two! Three?", 3),
        ("Dr. Smith paid $3.50 to Mr. Lee. He left.", 2),
        ('He said "Stop." Then he left...', 2),
        ("Really?! Yes.", 2),
        ("J. S. Bach wrote it.", 1),
        ("no end\nnor here", 1),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert count_sentences(text) == count
    for relation, limit, kept in (("at least", count, 1), ("less than", count, 0), ("less than", count + 1, 1)):
        kwargs = {"num_sentences": limit, "relation": relation}
        assert follows(text, "length_constraints:number_sentences", kwargs) == bool(kept and text)


def test_a_keyword_is_text_and_no_pattern() -> None:
    assert not follows("aaaa", "keywords:existence", {"keywords": ["(a+)+$"]})
    assert follows("see (a+)+$ there", "keywords:existence", {"keywords": ["(a+)+$"]})
    assert not follows("a.c", "keywords:forbidden_words", {"forbidden_words": ["a.c"]})
    assert follows("abc", "keywords:forbidden_words", {"forbidden_words": ["a.c"]})


def test_language_of_nothing_is_none() -> None:
    assert (language("12345 !!"), language("")) == ("", "")
    assert language("这是一只在花园里奔跑的棕色的狗") == "zh"


@pytest.mark.parametrize(
    ("name", "kwargs", "problem"),
    [
        ("length:words", {}, "no instruction"),
        ("length_constraints:number_words", {"num_words": "3", "relation": "at least"}, "num_words as a whole number"),
        ("length_constraints:number_words", {"num_words": 3, "relation": "over"}, "less than, at least"),
        ("keywords:existence", {"keywords": "dog"}, "a list of words"),
        ("language:response_language", {"language": "xx"}, "language as one of en"),
    ],
)
def test_bad_instructions_say_what_is_wrong(name: str, kwargs: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        checked(name, kwargs)


def test_hostile_texts_take_time_in_proportion() -> None:
    """Twice as long a text takes no more than some times as long, for every instruction."""
    asked = {case["id"]: case["kwargs"] for case in CASES["instructions"]}
    asked["length_constraints:number_sentences"] = {"num_sentences": 3, "relation": "at least"}
    for piece in ("[", "*", "\n", "<<", "***", "\n\n", "-", ". ", "P.", "SECTION", "{", "a", " \n*"):
        text = piece * (32_000 // len(piece))
        began = time.process_time()
        for name, kwargs in asked.items():
            assert instructions.follows_loosely(text, name, kwargs) in (True, False)
        assert time.process_time() - began < 3, piece
