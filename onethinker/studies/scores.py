"""What the arms of a study got: from the evaluations in its cells to one number a seed, arm, target and measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onethinker.scoring.results import RESULTS, current, is_error, score_of
from onethinker.studies.cells import cell_folder
from onethinker.studies.contrasts import Measure
from onethinker.tasks import get_task
from onethinker.tasks.base import RewardProfile
from onethinker.util.runs import JsonLines

Row = dict[str, Any]
Terms = dict[str, tuple[float, float]]
"""Numerator and denominator of a metric, by the question's id."""

MEASURES: tuple[Measure, ...] = ("headline", "reward")
"""What evaluations are read for unless more is asked."""

Scores = dict[str, dict[str, list[float]]]
"""Arm → target → a number a seed."""


def read_scores(
    out: Path,
    arms: Mapping[str, Sequence[str]],
    targets: Mapping[str, str],
    reward: RewardProfile,
    folder_of: Callable[[Path, str], Path] = cell_folder,
    measures: Sequence[Measure] = MEASURES,
) -> tuple[dict[Measure, Scores], int]:
    """The scores by measure, and how many questions were left out because some cell has no score for them.

    arms: the cells of every arm, one a seed. targets: what a question, by its id, belongs to; others are left out.
    folder_of: (out, cell) → the folder that holds its `eval`.
    """
    cells = dict.fromkeys(cell for of_arm in arms.values() for cell in of_arm)
    names = list(dict.fromkeys(targets.values()))
    rows = {cell: _scored(folder_of(out, cell) / "eval" / RESULTS, targets) for cell in cells}
    found: dict[Measure, Scores] = {}
    left_out = 0
    for measure in measures:
        terms = {cell: _terms(of_cell, measure, reward) for cell, of_cell in rows.items()}
        asked = set[str]().union(*terms.values())
        common = asked.intersection(*terms.values())
        left_out = max(left_out, len(asked - common))
        questions = {target: [q for q in targets if q in common and targets[q] == target] for target in names}
        found[measure] = {
            arm: {target: [_ratio(terms[cell], some) for cell in of_arm] for target, some in questions.items() if some}
            for arm, of_arm in arms.items()
        }
    return found, left_out


def mean_over(scores: Mapping[str, Sequence[float]], targets: Sequence[str]) -> list[float]:
    """The plain mean over targets of one arm, seed by seed."""
    return [sum(values) / len(targets) for values in zip(*(scores[target] for target in targets), strict=True)]


def _scored(file: Path, targets: Mapping[str, str]) -> list[Row]:
    return [row for row in current(JsonLines(file).rows()).values() if row["id"] in targets and not is_error(row)]


def _terms(rows: Sequence[Row], measure: Measure, reward: RewardProfile) -> Terms:
    if measure == "headline":
        greedy = (row for row in rows if row["decoding"] == "greedy")
        return {
            row["id"]: next(iter(get_task(row["task"]).counted(score_of(row), "official").values())) for row in greedy
        }
    sums: Terms = {}
    for row in (row for row in rows if row["decoding"] == "sampled"):
        (total, count), score = sums.get(row["id"], (0.0, 0.0)), score_of(row)
        sums[row["id"]] = (total + (score.accuracy if measure == "accuracy" else score.reward(reward)), count + 1.0)
    return {question: (total / count, 1.0) for question, (total, count) in sums.items()}


def _ratio(terms: Terms, questions: Sequence[str]) -> float:
    return sum(terms[q][0] for q in questions) / sum(terms[q][1] for q in questions)
