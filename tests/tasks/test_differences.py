"""Where `released` differs from the published reward: every difference has a cause, and the page has its count."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks.differences import BEGIN, CAUSES, END, FEW, cause_of, corpus, count, ours
from benchmarks.published_reward import grade, reward
from onethinker.tasks import released_tasks
from tests.tasks.examples import sample_of

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
CELLS = re.compile(r"(?<!\\)\|")


@pytest.mark.slow
def test_the_page_has_what_the_script_counts() -> None:
    """On the smaller corpus, which is the beginning of the page's own; the page's numbers add up."""
    said = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0].strip()
    total, found = count(corpus(FEW))
    assert not found[""].unexplained
    rows = [[cell.strip() for cell in CELLS.split(line)[1:-1]] for line in said.splitlines() if line.startswith("| ")][
        1:
    ]
    assert [[*row[:2], row[5]] for row in rows] == [[c.published, c.here, c.right] for c in CAUSES.values()]
    few = {name: found[name].more + found[name].less for name in CAUSES}
    assert {name: int(row[6].replace(",", "")) for name, row in zip(CAUSES, rows)} == few
    whole, more, less = ([int(row[at].replace(",", "")) for row in rows] for at in (2, 3, 4))
    assert whole == [a + b for a, b in zip(more, less)] and all(a >= b for a, b in zip(whole, few.values()))
    head = [
        int(number.replace(",", "")) for number in re.findall(r"\d[\d,]*", said.splitlines()[0] + said.splitlines()[1])
    ]
    assert head[1] == sum(whole) and total in head


@pytest.mark.parametrize("task", released_tasks())
def test_a_right_answer_earns_the_same(task: str) -> None:
    sample = sample_of(task)
    right = f"<think>so</think><answer>{sample.truth}</answer>"
    spaced = frozenset({"spaces"} if "/" in sample.truth else ())
    assert reward(sample, right, spaced).overall == pytest.approx(ours(sample, right))
    assert reward(sample, "nothing").overall == pytest.approx(ours(sample, "nothing"))


@pytest.mark.parametrize(
    ("task", "said", "published", "here", "cause"),
    [
        ("ocr", "<think>t</think><answer>and / or</answer>", 0.6, 1.5, "spaces"),
        ("ocr", "<think>and / or</think><answer></answer>", 0.6, 0.6, None),
        ("multiple_choice", "<think><answer>A</answer></think><answer>B</answer>", 0.6, 1.5, "block"),
        ("numerical", "<think>t</think><answer>1_234.5</answer>", 1.5, 0.6, "numbers"),
        ("temporal_grounding", '<think>t</think><answer>{"time": ["3.5", 9.25]}</answer>', 1.5, 0.1, "kinds"),
        ("temporal_grounding", '<think>t</think><answer>{"time": 1, "time": [3.5, 9.25]}</answer>', 1.5, 0.1,
         "duplicates"),
        ("spatial_grounding", '<think>t</think><answer>{"boxes": [1, 2, 3, 1e13]}</answer>', 0.6, 0.1, "sizes"),
        ("multiple_choice", "<think>t</think><answer>B because it barks</answer>", 0.6, 1.5, "choices"),
    ],
)  # fmt: skip
def test_single_differences(task: str, said: str, published: float, here: float, cause: Any) -> None:
    sample = sample_of(task, "and / or" if task == "ocr" else None)
    assert (reward(sample, said).overall, ours(sample, said)) == pytest.approx((published, here), abs=1e-3)
    assert cause_of(sample, said, ours(sample, said)) == cause


def test_short_answers_are_graded_as_mathruler_grades_them() -> None:
    """By its own rules: case, spaces, braces, signs and units do not count, nor one pair of brackets."""
    for said in ("B", "b", " (B)", "[b]", "$B$", "{B}", "\\text{B}", "B%", "B hours"):
        assert grade(said, "B")
    for said in ("", "B.", "B)", "Option B", "A, B", "BB", "E", "not B"):
        assert not grade(said, "B")
    assert json.loads(sample_of("tracking").truth)["boxes"]
