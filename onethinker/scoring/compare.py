"""Two evaluations of the same questions: paired differences with intervals, and the questions that flipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onethinker.scoring.bootstrap import STANDARD, Bootstrap, Estimate, average, difference, mean, ratios, reward_bounds
from onethinker.scoring.results import Row, answers_of, is_error, read_summary, score_of
from onethinker.tasks import get_task, list_tasks
from onethinker.tasks.base import MetricProfile, RewardProfile
from onethinker.util.runs import RunError

Comparison = dict[str, Any]
Question = tuple[str, int]
"""Content, and how many questions of equal content stand before it."""

RIGHT = 0.5
"""An answer counts as right from this accuracy on; a flip crosses it."""


def compare(folder_a: Path, folder_b: Path, *, intersect: bool = False, bootstrap: Bootstrap = STANDARD) -> Comparison:
    """b − a, question by question: per task and in the mean, each `difference` {value, low, high} beside `a` and `b`.

    Greedy answers are compared, and the mean reward of sampled ones where both have them, of one profile (`sampled`,
    the mean over tasks); a question that is an error in either is left out of both and counted. intersect:
    compare what both have where they differ in questions, with a note. Raises RunError for folders without a summary,
    with different questions (unless intersecting) or with different metric profiles.
    """
    (summary_a, greedy_a), (summary_b, greedy_b) = (_read(Path(folder), "greedy") for folder in (folder_a, folder_b))
    rows_a, rows_b = ({key: rows[0] for key, rows in greedy.items()} for greedy in (greedy_a, greedy_b))
    profile = summary_a["metric_profile"]
    if profile != summary_b["metric_profile"]:
        raise RunError(
            f"{folder_a} was measured with the metric profile {profile!r}, {folder_b} with "
            f"{summary_b['metric_profile']!r}; evaluate one of them again with --set evaluate.metric_profile={profile}"
        )
    notes = _notes(folder_a, folder_b, rows_a, rows_b, intersect)
    both = sorted(rows_a.keys() & rows_b.keys(), key=lambda key: (str(rows_a[key]["id"]), key))
    pairs = [(rows_a[k], rows_b[k]) for k in both if not is_error(rows_a[k]) and not is_error(rows_b[k])]
    tasks: dict[str, Any] = {}
    means: list[Estimate] = []
    for task in list_tasks():
        of_task = [pair for pair in pairs if pair[0]["task"] == task]
        if not of_task:
            continue
        tasks[task], headline = _compare_task(task, of_task, profile, bootstrap.of(task))
        means.append(headline)
    return {
        "a": {"folder": str(folder_a), "model": summary_a["model"]},
        "b": {"folder": str(folder_b), "model": summary_b["model"]},
        "metric_profile": profile,
        "n": len(pairs),
        "errors": len(both) - len(pairs),
        "notes": notes,
        "tasks": tasks,
        "mean": average(means).row(),
        "sampled": _compare_sampled(folder_a, folder_b, bootstrap),
    }


def _compare_sampled(folder_a: Path, folder_b: Path, bootstrap: Bootstrap) -> dict[str, Any] | None:
    """The paired difference of mean sampled rewards, of every task (`tasks`) and averaged over them; None where one
    side has none to compare."""
    summaries = [read_summary(folder) for folder in (folder_a, folder_b)]
    profiles = {summary["reward_profile"] for summary in summaries}
    if len(profiles) > 1 or not all("sampled" in summary["settings"] for summary in summaries):
        return None
    profile = profiles.pop()
    a, b = (_sampled_rewards(folder, profile) for folder in (folder_a, folder_b))
    estimates: list[tuple[Estimate, Estimate]] = []
    tasks: dict[str, Any] = {}
    for task in list_tasks():
        shared = sorted(key for key in a.keys() & b.keys() if key[0] == task)
        if shared:
            drawn, bounds = bootstrap.of(task), reward_bounds(profile, task)
            sides = [mean([side[key] for key in shared], drawn, bounds) for side in (a, b)]
            estimates.append((sides[0], sides[1]))
            tasks[task] = difference(*sides).row()
    before, after = (average([pair[side] for pair in estimates]) for side in (0, 1))
    return {"reward_profile": profile, "tasks": tasks} | _beside(before, after, alike=False)


def _sampled_rewards(folder: Path, profile: RewardProfile) -> dict[tuple[str, Question], float]:
    """Mean reward of a question's sampled answers, by task and question."""
    found: dict[tuple[str, Question], float] = {}
    for question, rows in _read(folder, "sampled")[1].items():
        rewards = [score_of(row).reward(profile) for row in rows if not is_error(row)]
        if rewards:
            found[rows[0]["task"], question] = sum(rewards) / len(rewards)
    return found


def _read(folder: Path, decoding: str) -> tuple[dict[str, Any], dict[Question, list[Row]]]:
    """The summary, and every question's rows of one decoding, of which a greedy one has a single row."""
    summary = read_summary(folder)
    found: dict[Question, list[Row]] = {}
    times: Counter[str] = Counter()
    for rows in answers_of(folder, summary["settings"][decoding]).values():
        content = rows[0]["content"]
        found[content, times[content]] = rows
        times[content] += 1
    return summary, found


def _notes(
    folder_a: Path, folder_b: Path, rows_a: Mapping[Question, Row], rows_b: Mapping[Question, Row], intersect: bool
) -> list[str]:
    only_a, only_b = len(rows_a.keys() - rows_b.keys()), len(rows_b.keys() - rows_a.keys())
    shared = len(rows_a.keys() & rows_b.keys())
    if not shared:
        raise RunError(f"{folder_a} and {folder_b} share no question; evaluate both models on the same data")
    if not only_a and not only_b:
        return []
    text = f"{only_a} questions are only in {folder_a}, {only_b} only in {folder_b}, {shared} in both"
    if not intersect:
        raise RunError(f"different questions: {text}; evaluate both on the same data, or compare with --intersect")
    return [f"{text}; only those in both are compared"]


def _compare_task(
    task: str, pairs: Sequence[tuple[Row, Row]], profile: MetricProfile, bootstrap: Bootstrap
) -> tuple[dict[str, Any], Estimate]:
    kind = get_task(task)
    sides = [[score_of(pair[i]) for pair in pairs] for i in (0, 1)]
    a, b = (ratios([kind.counted(score, profile) for score in scores], bootstrap) for scores in sides)
    accuracy_a, accuracy_b = (mean([score.accuracy for score in scores], bootstrap) for scores in sides)
    headline = next(iter(a))
    alike = all(x["response"] == y["response"] for x, y in pairs)
    entry = {
        "title": kind.title,
        "n": len(pairs),
        "headline": headline,
        "metrics": {name: _beside(a[name], b[name], alike) for name in a if name in b},
        "accuracy": _beside(accuracy_a, accuracy_b, alike),
        "gained": [_flip(x, y) for x, y in pairs if x["accuracy"] < RIGHT <= y["accuracy"]],
        "lost": [_flip(x, y) for x, y in pairs if y["accuracy"] < RIGHT <= x["accuracy"]],
    }
    return entry, difference(a[headline], b[headline], alike=alike)


def _beside(a: Estimate, b: Estimate, alike: bool) -> dict[str, Any]:
    return {"a": a.row(), "b": b.row(), "difference": difference(a, b, alike=alike).row()}


def _flip(a: Row, b: Row) -> dict[str, Any]:
    return {
        "id": a["id"],
        "a": {"response": a["response"], "accuracy": a["accuracy"], "status": a["status"]},
        "b": {"response": b["response"], "accuracy": b["accuracy"], "status": b["status"]},
    }
