"""`onethinker bench algorithms`: the paper's Table 9 on a small model. From one SFT checkpoint, every advantage
estimator with the same seeds, prompts, rollouts and updates; what differs is `rl.algorithm` alone.

A seed decides which prompts a run asks and what is sampled; all estimators share the seeds and the held-out questions,
so differences are paired in both. MT-GRPO alone chooses its tasks, so after a few steps its prompts are others. A
*condition* changes the setting for all of them: see `CONDITIONS`. Cells are `CONDITION/ALGORITHM/seed-K`, and
`CONDITION/sft` for the start.

Contrasts (see `contrasts`): in every condition EMA-GRPO minus each other arm, in the mean over tasks; where EMA-GRPO
was not run, the first arm takes its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onethinker.recipes import override
from onethinker.sample import Samples
from onethinker.studies.bench import (
    DIFFICULTY,
    Bench,
    check_names,
    evaluate_cell,
    only,
    open_bench,
    refuse,
    train_cell,
    write_study,
)
from onethinker.studies.cells import Row, Work, arms_done, cell_row, is_finished, seeds_done
from onethinker.studies.contrasts import Measure, contrast_row, paired
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.scores import Scores, mean_over, read_scores
from onethinker.tasks import task_groups
from onethinker.train.advantage import ALGORITHMS

GROUPS = task_groups()
"""The columns of Table 9; a column is the plain mean over its tasks."""

MEAN = "Mean"
"""Over all tasks, each counting the same."""

START, OURS = "sft", "ema_grpo"

COST = ("seconds", "trained_groups", "asked_groups")
"""Of a cell's row, what the page shows beside the scores."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "ema_grpo_within": ("rl.algorithm=ema_grpo", "rl.algorithm_options={sigma: within}"),
    "ema_grpo_even": ("rl.algorithm=ema_grpo", "rl.algorithm_options={sigma: deviation, beta: 0.9}"),
    "ema_grpo_short": ("rl.algorithm=ema_grpo", "rl.algorithm_options={beta: 0.9}"),
}
"""Arms beside the registered algorithms, EMA-GRPO with another σ: from within groups instead of raw rewards; the mean
|A| of a task over ten steps, so that tasks weigh alike; the published one over ten steps, since its hundred are longer
than a run of this study."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A setting for all arms. changes: of the recipe. tasks: trained and measured, all if empty."""

    title: str
    changes: tuple[str, ...] = ()
    difficulty: int = DIFFICULTY
    tasks: tuple[str, ...] = ()


CONDITIONS: dict[str, Condition] = {
    "base": Condition("questions of difficulty 1, harder than those of SFT"),
    "easy": Condition("questions of difficulty 0, as in SFT", difficulty=0),
    "hard": Condition("questions of difficulty 2", difficulty=2),
    "sparse": Condition("the paper's reward, which gives a malformed answer nothing",
                        ("rl.reward=paper", "evaluate.reward=paper")),
    "three_tasks": Condition("three tasks instead of all",
                             tasks=("multiple_choice", "temporal_grounding", "spatial_grounding")),
    "one_task": Condition("spatial grounding alone", tasks=("spatial_grounding",)),
    "unfiltered": Condition("groups that are all right or all wrong train too", ("rl.filter_groups=false",)),
}  # fmt: skip


def arms() -> dict[str, tuple[str, ...]]:
    """What may be compared, by name: every registered algorithm and the variants, as changes of the recipe."""
    return {name: (f"rl.algorithm={name}",) for name in ALGORITHMS} | VARIANTS


def bench_algorithms(
    out: Path,
    model: str,
    *,
    seeds: int = 5,
    quick: bool = False,
    algorithms: Sequence[str] = (),
    conditions: Sequence[str] = ("base",),
    assignments: Sequence[str] = (),
    command: str = "",
    ray: str = "",
) -> Path:
    """Run or resume the study in `out` and return its page. algorithms: names of `arms`, the registered ones if empty.

    The page holds what the folder has, earlier calls' arms and conditions too; two arms are compared on the seeds that
    both have. Raises RecipeError for an unknown name.
    """
    chosen = list(algorithms or ALGORITHMS)
    check_names("algorithm", chosen, arms())
    check_names("condition", conditions, CONDITIONS)
    algorithm = ("rl.algorithm", "rl.algorithm_options")
    refuse(assignments, algorithm, "this study sets the algorithm itself; choose with --algorithm")
    bench = open_bench(
        "algorithms", out, model, seeds=seeds, quick=quick, assignments=assignments, command=command, ray=ray
    )
    cells: dict[str, Work] = {}
    for condition in conditions:
        cells |= _cells(bench, condition, chosen)
    bench.run(cells)
    return write_study_page(_results(bench))


def _cells(bench: Bench, name: str, chosen: Sequence[str]) -> dict[str, Work]:
    """The start first; then seed by seed, so that a study stopped early has whole seeds."""
    recipe = override(bench.recipe, list(CONDITIONS[name].changes))
    train, test = _data(bench, CONDITIONS[name])
    cells: dict[str, Work] = {f"{name}/{START}": evaluate_cell(recipe, recipe.model.base, test)}
    for seed in range(bench.seeds):
        for arm in chosen:
            changed = override(recipe, [f"seed={seed}", *arms()[arm]])
            cells[f"{name}/{arm}/seed-{seed}"] = train_cell(changed, train, test)
    return cells


def _data(bench: Bench, condition: Condition) -> tuple[Samples, Samples]:
    train, test = bench.world(condition.difficulty)
    if condition.tasks:
        train, test = (only(samples, lambda s: s.task in condition.tasks) for samples in (train, test))
    return train, test


# ---- results ----------------------------------------------------------------------------------------------------


def _results(bench: Bench) -> Path:
    """Reduce all finished cells to `study.json`. Its settings tell the most seeds that an arm has."""
    cells: list[str] = []
    found: dict[str, Row] = {}
    contrasts: list[Row] = []
    for name in CONDITIONS:
        every = dict.fromkeys([*arms(), *arms_done(bench.out, name)])
        done = {arm: seeds_done(bench.out, f"{name}/{arm}") for arm in every}
        finished = {arm: of_arm for arm, of_arm in done.items() if of_arm}
        if finished and is_finished(bench.out, f"{name}/{START}"):
            of_condition = {START: [f"{name}/{START}"]} | finished
            cells += [cell for of_arm in of_condition.values() for cell in of_arm]
            found[name] = _condition(bench, name, of_condition)
            contrasts += contrasts_of(name, found[name]["scores"])
    most = max(len(row["seconds"]) for condition in found.values() for row in condition["cost"].values())
    results = {"groups": GROUPS, "conditions": found, "contrasts": contrasts}
    return write_study(replace(bench, seeds=most), cells, results)


def contrasts_of(condition: str, scores: Mapping[Measure, Scores]) -> list[Row]:
    """What the study compares in a condition."""
    arms_run = [arm for arm in scores["headline"] if arm != START]
    ours = OURS if OURS in arms_run else arms_run[0]
    return [
        contrast_row(ours, other, condition, measure, paired(of_arm[ours][MEAN], of_arm[other][MEAN]))
        for measure, of_arm in scores.items()
        for other in arms_run
        if other != ours
    ]


def _condition(bench: Bench, name: str, cells: Mapping[str, Sequence[str]]) -> Row:
    condition = CONDITIONS[name]
    _, test = _data(bench, condition)
    reward = override(bench.recipe, list(condition.changes)).evaluate.reward
    scores, left_out = read_scores(bench.out, cells, {s.id: s.task for s in test}, reward)
    rows = {arm: [cell_row(bench.out, cell) for cell in of_arm] for arm, of_arm in cells.items() if arm != START}
    return {
        "title": condition.title,
        "questions": len(test),
        "left_out": left_out,
        "reward": reward,
        "scores": {measure: {arm: _columns(row) for arm, row in of_arm.items()} for measure, of_arm in scores.items()},
        "cost": {arm: {key: [row[key] for row in of_arm] for key in COST} for arm, of_arm in rows.items()},
    }


def _columns(row: Mapping[str, list[float]]) -> dict[str, Any]:
    """The groups that an arm's tasks make, and the mean over tasks."""
    columns = {group: [task for task in members if task in row] for group, members in (GROUPS | {MEAN: row}).items()}
    return {column: mean_over(row, tasks) for column, tasks in columns.items() if tasks}
