"""Options and answers as data sets write them."""

from __future__ import annotations

import pytest

from onethinker.sample.options import lettered, named_options, split_options


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Q?\nA. x\nB. y", ["A. x", "B. y"]),
        ("Q?\n(A) x\n(B) y\n", ["A. x", "B. y"]),
        ("Q?\nB. x\nC. y", []),
        ("Q?\nA. But this\nA. x\nB. y", []),
        ("A. Smith wrote it. Who?", []),
    ],
)
def test_options_in_a_questions_text(text: str, options: list[str]) -> None:
    assert split_options(text)[1] == options


@pytest.mark.parametrize("heading", ["Choices:", "Choice:", "Options", "option:", "choices"])
def test_the_heading_of_options_goes_with_them(heading: str) -> None:
    assert split_options(f"What is x?\n{heading}\nA:40°\nB:60°") == ("What is x?", ["A. 40°", "B. 60°"])


TRUE, FOUR = ["A. True", "B. False"], ["A. p", "B. q", "C. r", "D. s"]


@pytest.mark.parametrize(
    ("answer", "options", "named"),
    [  # the answers that MathVerse's testmini has beside plain letters (its data/testmini_text_only.json), and others
        ("False", TRUE, ["B"]),
        ("False", ["A. False", "B. True"], ["A"]),
        ("false ", ["False", "True"], ["A"]),
        ("(C)", FOUR, ["C"]),
        ("C\nD", FOUR, ["C", "D"]),
        ("A\nC", FOUR, ["A", "C"]),
        (r"090^\circ T", [r"A. 090^\circ T", r"B. 180^\circ T"], ["A"]),
        ("C, D", FOUR, ["C", "D"]),
        ("A and C", FOUR, ["A", "C"]),
        ("D.", FOUR, ["D"]),
        ("c", ["A. b", "B. c"], ["B"]),  # the option's text rather than its letter
        ("(B)", [], ["B"]),
        ("E", FOUR, []),
        ("C\nE", FOUR, []),
        ("CD", FOUR, []),
        ("p", ["A. p", "B. p"], []),
        ("", FOUR, []),
    ],
)
def test_the_options_that_an_answer_names(answer: str, options: list[str], named: list[str]) -> None:
    assert named_options(answer, options) == named


def test_letters_of_the_sets_own_stay() -> None:
    assert lettered(["(A) x", "(B) y"]) == ["(A) x", "(B) y"]
    assert lettered(["B. x", "A. y"]) == ["A. B. x", "B. A. y"]
