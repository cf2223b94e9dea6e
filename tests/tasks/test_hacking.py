"""A search for cheap reward: tricks, alone and combined, must not earn more than the honest answer they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from benchmarks.generated import filled
from benchmarks.hacking import BEGIN, BY_SECOND, END, SEARCHED, TRICKS, make_question, reward, table
from onethinker.tasks.base import RewardProfile, Task
from tests.amount import many

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rewards.md"
MARGIN = 1e-9
CASES = st.integers(0, 400)
GUESSES = ("the prompt's example", "the first box at every second")
"""Answers of their own, which may happen to be nearer: only their mean says whether they pay."""
PAYING: dict[RewardProfile, set[tuple[str, str]]] = {
    "released": set(),
    "paper": {(trick, "spatial_temporal_grounding") for trick in ("only the first second", "half of the seconds")},
    "hardened": set(),
}
"""What the documentation says does pay, by the mean over its questions."""


def fitting(task: str) -> list[str]:
    """Tricks for the task that say no more than the honest answer does."""
    return [name for name, (tasks, _) in TRICKS.items() if task in tasks and name not in GUESSES]


ATTEMPTS = st.sampled_from(SEARCHED).flatmap(
    lambda task: st.tuples(st.just(task), CASES, st.lists(st.sampled_from(fitting(task)), min_size=1, max_size=3))
)


def gain(task: str, case: int, names: Sequence[str], profile: RewardProfile) -> float:
    """Reward of the tricks, one after another, less that of the honest answer."""
    question = make_question(task, case)
    attempt = question.honest
    for name in names:
        attempt = TRICKS[name][1](attempt, task)
    return reward(question, attempt, profile) - reward(question, question.honest, profile)


def search(profile: RewardProfile, examples: int) -> None:
    """Raise AssertionError with an attempt that pays, if the search finds one."""

    @settings(
        max_examples=examples, deadline=None, database=None, derandomize=True, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck), print_blob=False,
    )  # fmt: skip
    @given(ATTEMPTS)
    def attempt(asked: tuple[str, int, list[str]]) -> None:
        task, case, names = asked
        assert gain(task, case, names, profile) <= MARGIN, f"{task}, case {case}: {names} pays"

    attempt()


def test_nothing_pays_in_hardened() -> None:
    search("hardened", many(600, 60))


def test_the_search_finds_what_paper_pays_for() -> None:
    with pytest.raises(AssertionError, match="pays"):
        search("paper", 600)


def test_the_search_finds_extra_keys_that_pay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault planted on purpose: a hundredth of accuracy more for every key that nobody asked for."""
    from msgspec import structs

    honest_score = Task.score

    def faulty(self: Task[Any], sample: Any, answer: Any, *, lenient: bool = False) -> Any:
        found = honest_score(self, sample, answer, lenient=lenient)
        return structs.replace(found, r_acc={k: v + 0.01 * answer.text.count('"extra') for k, v in found.r_acc.items()})

    monkeypatch.setattr(Task, "score", faulty)
    with pytest.raises(AssertionError, match="keys that nobody asked for"):
        search("hardened", 600)


def test_the_search_finds_a_measure_over_common_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published fault: boxes judged at the answered seconds alone, in the profile that closed it."""
    from onethinker.measure import tracks

    monkeypatch.setattr(tracks, "mean_over_union", tracks.mean_over_common)
    with pytest.raises(AssertionError, match=r"only the first second|half of the seconds"):
        search("hardened", 600)


@pytest.mark.parametrize("task", BY_SECOND)
@pytest.mark.parametrize("trick", ["boxes at thousands of seconds", "only the first second", "half of the seconds"])
def test_hardened_charges_for_missing_and_surplus_seconds(task: str, trick: str) -> None:
    assert all(gain(task, case, [trick], "hardened") < -0.05 for case in range(many(20, 4)))


@pytest.mark.slow
def test_page_is_up_to_date_and_names_all_that_pays() -> None:
    page = PAGE.read_text(encoding="utf-8")
    fresh = filled(page, (BEGIN, END), table())
    assert fresh == page, "run `python -m benchmarks.hacking --write docs/rewards.md`"
    lines = page.split(BEGIN)[1].split(END)[0].strip().splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    header, *rows = rows
    for profile, paying in PAYING.items():
        column = header.index(f"`{profile}`")
        assert {(row[0], row[1]) for row in rows if row[column].startswith("**")} == paying
