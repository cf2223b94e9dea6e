"""Which option an answer names, by a table and by hand."""

from pathlib import Path

import pytest

from onethinker.measure import text

ROWS = [
    line.split("\t")
    for line in Path(__file__).with_name("choice_answers.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
OPTIONS = {row[1]: row[2:] for row in ROWS if row[0] == "options"}
ASKED = [(OPTIONS[row[0]], row[1], row[2].replace("⏎", "\n")) for row in ROWS if row[0] in OPTIONS]
"""Options, the letter that the answer names ("-" for none), the answer."""


@pytest.mark.parametrize(("read", "most_missed"), [(text.choice, 10), (text.choice_lenient, 5)])
def test_nothing_of_the_table_is_read_wrongly_and_little_is_missed(read, most_missed):
    found = [(answer, letter, read(answer, options) or "-") for options, letter, answer in ASKED]
    assert [row for row in found if row[2] not in ("-", row[1])] == []
    missed = [row for row in found if row[2] == "-" != row[1]]
    assert len(missed) <= most_missed, missed
    assert len(ASKED) >= 200 and sum(letter != "-" for _, letter, _ in ASKED) >= len(ASKED) / 2
    assert len({(*options, answer) for options, _, answer in ASKED}) == len(ASKED)


LENGTHS = ("A. 1 cm", "B. 2 cm", "C. 3 cm", "D. 4 cm")


@pytest.mark.parametrize(
    "answer",
    [
        "D", "d", "(D)", "[D]", "D.", "D)", "D:", "(D).", "**D**", "*D*", "__D__", "`D`", '"D"', "$D$", r"\boxed{D}",
        r"$\text{D}$", r"\(D\)", "Option D", "option (D)", "Answer: D", "The answer is D.",
        "the correct answer is: **D**", "Final answer: (D)", "D is correct.", "D is the right answer", "D: 4 cm",
        "D. 4 cm", "D.4 cm", "(D) 4 cm", "D) 4 cm", "d) 4 cm", "D - 4 cm", "**D.** 4 cm", "Option D: 4 cm", "4 cm",
        "4 CM.", "The answer is 4 cm", " D\n", "D. It is the longest.", "D. A long one",
    ],
)  # fmt: skip
def test_a_letter_in_any_usual_dress(answer):
    assert text.choice(answer, LENGTHS) == text.choice_lenient(answer, LENGTHS) == "D"


@pytest.mark.parametrize(
    "answer",
    [
        "", " ", "Don't know", "ERROR", "Dog", "D4", "AD", "ABCD", "E", "(E)", "E: 5 cm", "A or B", "A, B",
        "A and D", "(A)(B)", "A B C D", "D. or (B)", "D: not sure", "D. I don't know", "D: 1 cm", "D is not correct",
        "I cannot tell", "None of the above", "5 cm", "4 cm or 3 cm", "e.g. a dog", "a dog", "A dog", "Because", "?",
        "\ud800", "D\ud800", "答", "D" * 20_000,
    ],
)  # fmt: skip
def test_words_refusals_and_several_letters_name_nothing(answer):
    assert text.choice(answer, LENGTHS) is None


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("I think it is (D), since it is long", "D"),
        ("It must be 4 cm because of the scale", "D"),
        ("Of these I like (C) best", "C"),
        ("Either (A) or (B)", None),
        ("4 cm, certainly not 3 cm", "D"),
        ("Don't know", None),
        ("", None),
    ],
)
def test_lenient_reading_finds_one_letter_or_one_option(answer, expected):
    assert text.choice(answer, LENGTHS) is None
    assert text.choice_lenient(answer, LENGTHS) == expected


def test_letters_reach_as_far_as_the_options():
    assert text.choice("E", [*LENGTHS, "E. 5 cm"]) == "E"
    assert text.choice("J") == "J"
    assert text.choice("Don't know") is None
    assert text.choice("D: 4 cm") == "D"


def test_options_without_letters_are_lettered_in_order():
    assert text.choice("blue", ["red", "blue"]) == text.choice("B", ["red", "blue"]) == "B"
    assert text.choice("(b)", ["(a) red", "(b) blue"]) == "B"
    assert text.choice("C", ["A", "B", "C"]) == "C"
    assert text.choice("2 cm", ["A: 1 cm", "C: 2 cm"]) == "C"


def test_equal_options_and_options_that_look_like_letters():
    assert text.choice("red", ["A. red", "B. red"]) is None
    assert text.choice("A", ["A. B", "B. A"]) == "A"
    assert text.choice("E", ["A. F", "B. E"]) == "B"
    assert text.choice("D. wrong", ["A. right", "B. left", "C. back", "D. wrong"]) == "D"
