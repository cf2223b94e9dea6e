"""`onethinker bench algorithms`: the paper's Table 9 on a small model. From one SFT checkpoint, every advantage
estimator with the same seeds, prompts, rollouts and updates; what differs is `rl.algorithm` alone.

A seed decides which prompts a run asks and what is sampled; all algorithms share the seeds and the held-out questions,
so differences are paired in both. MT-GRPO alone chooses its tasks, so after a few steps its prompts are others. A
*condition* changes the setting for all of them, to find out when an estimator wins: see `CONDITIONS`. Cells are
`CONDITION/ALGORITHM/seed-K`, and `CONDITION/sft` for the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from onethinker.recipes import Recipe, override
from onethinker.sample import Samples
from onethinker.studies.bench import (
    DIFFICULTY,
    Bench,
    Row,
    Work,
    cell_row,
    check_names,
    cross_cells,
    is_finished,
    measure,
    only,
    open_bench,
    refuse,
    run_cells,
    seeds_done,
    train_and_measure,
    write_study,
)
from onethinker.studies.crossed import MEASURES, Crossed, Luck, holm, mean_of, paired_test, pooled, told_apart
from onethinker.studies.influence import blocks_of, influence
from onethinker.studies.pages.index import write_study_page
from onethinker.tasks import list_tasks
from onethinker.train.advantage import ALGORITHMS
from onethinker.util.runs import JsonLines

GROUPS: dict[str, tuple[str, ...]] = {
    "QA": ("multiple_choice", "numerical", "regression", "math", "ocr", "open_ended", "caption"),
    "Temporal": ("temporal_grounding",),
    "Spatial": ("spatial_grounding",),
    "Spatial-temporal": ("spatial_temporal_grounding",),
    "Tracking": ("tracking",),
    "Segmentation": ("image_segmentation", "video_segmentation"),
}
"""The columns of Table 9; a column is the plain mean over its tasks."""

MEAN = "Mean"
"""Over all tasks, each counting the same."""

START = "sft"
BLOCKS = 20
"""Stretches of steps in which curves and shares are given."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "ema_grpo_within": ("rl.algorithm=ema_grpo", "rl.algorithm_options={sigma: within}"),
    "ema_grpo_even": ("rl.algorithm=ema_grpo", "rl.algorithm_options={sigma: deviation, beta: 0.9}"),
    "ema_grpo_short": ("rl.algorithm=ema_grpo", "rl.algorithm_options={beta: 0.9}"),
    "ema_grpo_group_std": ("rl.algorithm=ema_grpo", "rl.algorithm_options={guard: group_std}"),
    "ema_grpo_unguarded": ("rl.algorithm=ema_grpo", "rl.algorithm_options={guard: none}"),
    "dr_grpo_loss": ("rl.algorithm=dr_grpo", "rl.loss=dr_grpo"),
}
"""More arms than the registered algorithms, by name: EMA-GRPO's σ from within groups instead of raw rewards, or such
that tasks weigh alike, with a memory of ten steps; the published σ with that memory, since a hundred steps are longer
than a run of this study; its other guards; Dr.GRPO with its own loss."""


DIVISORS: dict[str, tuple[str, ...]] = {
    "group": ("grpo", "g2rpo"),
    "task": ("task_batch_std", "task_running_std", "ema_grpo"),
    "batch": ("dr_grpo", "batch_std"),
}
"""What centred rewards are divided by, of the registered algorithms that differ in nothing else: each group's own σ (by
ranks in G²RPO), one of its task, or one number for the whole batch (1 in Dr.GRPO). The paper's argument is that the
first is uneven within tasks, the last between them."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A setting for all arms. changes: of the recipe. longer: times the steps. tasks: trained and measured, all if
    empty."""

    title: str
    changes: tuple[str, ...] = ()
    longer: int = 1
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
    "long": Condition("three times the steps", longer=3),
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

    The page holds what the folder has, earlier calls' arms and conditions too; of every condition the seeds that its
    arms share, so a condition may have fewer seeds than another. Raises RecipeError for an unknown name.
    """
    chosen = list(algorithms or ALGORITHMS)
    check_names("algorithm", chosen, arms())
    check_names("condition", conditions, CONDITIONS)
    algorithm = ("rl.algorithm", "rl.algorithm_options")
    refuse(assignments, algorithm, "this study sets the algorithm itself; choose with --algorithm")
    bench = open_bench("algorithms", out, model, seeds=seeds, quick=quick, assignments=assignments, command=command)
    cells: dict[str, Work] = {}
    for condition in conditions:
        cells |= _cells(bench, condition, chosen)
    run_cells(out, cells, ray=ray, device=bench.recipe.model.device)
    return write_study_page(_results(bench))


def _cells(bench: Bench, name: str, chosen: Sequence[str]) -> dict[str, Work]:
    """The start first; then seed by seed, so that a study stopped early has whole seeds."""
    recipe = _recipe(bench, CONDITIONS[name])
    train, test = _data(bench, CONDITIONS[name])

    def work(changed: Recipe) -> Work:
        return lambda folder: _run(folder, changed, train, test)

    cells: dict[str, Work] = {f"{name}/{START}": lambda folder: measure(folder, recipe, recipe.model.base, test)}
    for seed in range(bench.seeds):
        for arm in chosen:
            cells[f"{name}/{arm}/seed-{seed}"] = work(override(recipe, [f"seed={seed}", *arms()[arm]]))
    return cells


def _recipe(bench: Bench, condition: Condition) -> Recipe:
    return override(bench.recipe, [f"rl.steps={condition.longer * bench.recipe.rl.steps}", *condition.changes])


def _data(bench: Bench, condition: Condition) -> tuple[Samples, Samples]:
    train, test = bench.world(condition.difficulty)
    if condition.tasks:
        train, test = (only(samples, lambda s: s.task in condition.tasks) for samples in (train, test))
    return train, test


def _run(folder: Path, recipe: Recipe, train: Samples, test: Samples) -> Row:
    """One cell: its run, its answers, and what the report needs of the run's own log."""
    row = train_and_measure(folder, recipe, train, test)
    steps = JsonLines(folder / "rl" / "metrics.jsonl").rows()
    blocks = blocks_of(len(steps), BLOCKS)
    return row | {
        "steps": [block[-1] for block in blocks],
        "curves": _curves(steps, blocks),
        "influence": influence(folder / "rl" / "rollouts", blocks),
        "updates": sum(step["updates"] for step in steps),
        "trained_groups": sum(step["groups"] for step in steps),
        "asked_groups": sum(step["groups"] + step["dropped_groups"] for step in steps),
    }


def _curves(steps: Sequence[Row], blocks: Sequence[range]) -> dict[str, list[float]]:
    """Mean reward of sampled training answers by block, for every group of tasks and the mean over tasks. A task counts
    the same however often it was asked, so that algorithms that choose their tasks compare with those that do not."""
    by_task: dict[str, list[float]] = {}
    for task in list_tasks():
        values = [[steps[i - 1].get(f"reward/{task}") for i in block] for block in blocks]
        means = [float(np.mean([v for v in some if v is not None] or [np.nan])) for some in values]
        if not np.all(np.isnan(means)):
            by_task[task] = means
    named = {**GROUPS, MEAN: tuple(by_task)}
    rows = {name: [by_task[t] for t in tasks if t in by_task] for name, tasks in named.items()}
    return {name: _mean_known(np.array(some)) for name, some in rows.items() if some}


def _mean_known(values_TB: np.ndarray) -> list[float]:
    """The mean over tasks of every block, those left out that a block never asked."""
    known_TB = np.isfinite(values_TB)
    counts_B = known_TB.sum(0)
    sums_B = np.where(known_TB, values_TB, 0.0).sum(0)
    return [float(s / c) if c else float("nan") for s, c in zip(sums_B, counts_B, strict=True)]


# ---- results ----------------------------------------------------------------------------------------------------


def _results(bench: Bench) -> Path:
    """Reduce all finished cells to `study.json`. Its settings tell the most seeds that a condition has."""
    rows: dict[str, Row] = {}
    found: dict[str, Any] = {}
    seeds = 0
    for name, condition in CONDITIONS.items():
        cells, uneven = _finished(bench, name)
        if cells:
            rows |= {cell: cell_row(bench.out, cell) for of_arm in cells.values() for cell in of_arm}
            found[name] = {"title": condition.title, "uneven": uneven} | _condition(bench, name, cells, rows)
            seeds = max(seeds, *(len(of_arm) for of_arm in cells.values()))
    return write_study(replace(bench, seeds=seeds), rows, {"groups": GROUPS, "conditions": found})


def _finished(bench: Bench, condition: str) -> tuple[dict[str, list[str]], dict[str, int]]:
    """The start and the arms, each with the cells of the same seeds: as many as make the most cells, so that an arm of
    which little is finished waits, and one with more seeds than the others does not push them out. Empty without one.
    And the arms that have fewer or more, with their seeds.
    """
    start = f"{condition}/{START}"
    done = {arm: seeds_done(bench.out, f"{condition}/{arm}") for arm in arms()}
    counts = [len(cells) for cells in done.values()]
    seeds = max(counts, key=lambda n: (n * sum(count >= n for count in counts), n))
    if not seeds or not is_finished(bench.out, start):
        return {}, {}
    uneven = {arm: len(cells) for arm, cells in done.items() if len(cells) not in (0, seeds)}
    return {START: [start]} | {arm: cells[:seeds] for arm, cells in done.items() if len(cells) >= seeds}, uneven


def _condition(bench: Bench, name: str, cells: Mapping[str, Sequence[str]], rows: Mapping[str, Row]) -> Row:
    recipe = _recipe(bench, CONDITIONS[name])
    _, test = _data(bench, CONDITIONS[name])
    tables: dict[str, Any] = {}
    by_task: dict[str, Any] = {}
    tests: dict[str, Any] = {}
    divisors: dict[str, Any] = {}
    gains: dict[str, Any] = {}
    left_out = 0
    for measured in MEASURES:
        found, without = cross_cells(bench.out, cells, {s.id: s.task for s in test}, measured, recipe.evaluate)
        by_task[measured] = {arm: {task: n.value for task, n in row.items()} for arm, row in found.items()}
        numbers = {arm: _columns(row) for arm, row in found.items()}
        tables[measured] = {arm: {group: n.row() for group, n in row.items()} for arm, row in numbers.items()}
        means = {arm: row[MEAN] for arm, row in numbers.items()}
        start = means.pop(START)
        gains[measured] = {arm: paired_test(mean - start) for arm, mean in means.items()}
        differences = _differences(means)
        tests[measured] = _tests(differences)
        divisors[measured] = _divisors(means, differences)
        left_out = max(left_out, without)
    runs = {arm: [rows[cell] for cell in of_arm] for arm, of_arm in cells.items() if arm != START}
    return {
        "questions": len(test),
        "left_out": left_out,
        "reward": recipe.evaluate.reward,
        "tables": tables,
        "by_task": by_task,
        "gains": gains,
        "tests": tests,
        "divisors": divisors,
        "steps": next(iter(runs.values()))[0]["steps"],
        "arms": {arm: _arm(of_arm) for arm, of_arm in runs.items()},
    }


def _columns(found: Mapping[str, Crossed]) -> dict[str, Crossed]:
    """The groups that an arm's tasks make, and the mean over tasks."""
    columns = {group: [found[t] for t in members if t in found] for group, members in GROUPS.items()}
    columns[MEAN] = list(found.values())
    return {column: mean_of(parts) for column, parts in columns.items() if parts}


def _differences(means: Mapping[str, Crossed]) -> dict[tuple[str, str], Crossed]:
    """b − a of every pair of arms, with the luck of all pairs."""
    pairs = list(combinations(means, 2))
    return dict(zip(pairs, pooled([means[b] - means[a] for a, b in pairs], len(means)), strict=True))


def _tests(differences: Mapping[tuple[str, str], Crossed]) -> list[Row]:
    """Every pair of arms, among all of them."""
    among = told_apart(list(differences.values()))
    return [
        {"a": a, "b": b} | told | paired_test(found)
        for ((a, b), found), told in zip(differences.items(), among, strict=True)
    ]


def _divisors(means: Mapping[str, Crossed], differences: Mapping[tuple[str, str], Crossed]) -> list[Row]:
    """The mean over the arms of one divisor minus that over another's, p corrected for the number of such pairs; none
    where no divisor has two arms. own: p by the contrast's own seeds, not corrected.

    differences: of all pairs of arms, whose luck is twice that of an arm.
    """
    arms_of = {name: [means[arm] for arm in members if arm in means] for name, members in DIVISORS.items()}
    arms_of = {name: members for name, members in arms_of.items() if members}
    if max(map(len, arms_of.values()), default=0) < 2:
        return []
    luck = next(iter(differences.values())).luck
    pairs = list(combinations(arms_of, 2))
    own = [mean_of(arms_of[a]) - mean_of(arms_of[b]) for a, b in pairs]
    found = []
    for (a, b), difference in zip(pairs, own, strict=True):
        part = (1 / len(arms_of[a]) + 1 / len(arms_of[b])) / 2
        found.append(replace(difference, shared=Luck(luck.seeds * part, luck.mixed * part, luck.freedom)))
    corrected = holm([difference.p_far() for difference in found])
    return [
        {"of": a, "minus": b, "arms": [len(arms_of[a]), len(arms_of[b])], "holm": p, "own": alone.p_far()}
        | paired_test(difference)
        for (a, b), alone, difference, p in zip(pairs, own, found, corrected, strict=True)
    ]


def _arm(runs: Sequence[Row]) -> Row:
    """Means over an arm's seeds of what its runs logged."""
    return {
        "curves": {group: _over_seeds([run["curves"][group] for run in runs]) for group in runs[0]["curves"]},
        "gradient": _by_task([run["influence"]["gradient"] for run in runs]),
        "tokens": _by_task([run["influence"]["tokens"] for run in runs]),
        "between": _over_seeds([run["influence"]["between"] for run in runs]),
        "within": _over_seeds([run["influence"]["within"] for run in runs]),
        **{key: [run[key] for run in runs] for key in ("seconds", "updates", "trained_groups", "asked_groups")},
    }


def _by_task(shares: Sequence[Mapping[str, list[float]]]) -> dict[str, list[float]]:
    """Mean shares over seeds; a task that a seed never trained had none of its gradient. Empty if nothing trained."""
    length = max((len(values) for run in shares for values in run.values()), default=0)
    tasks = [task for task in list_tasks() if any(task in run for run in shares)]
    return {task: _over_seeds([run.get(task, [0.0] * length) for run in shares]) for task in tasks}


def _over_seeds(values: Sequence[Sequence[float | None]]) -> list[float]:
    return _mean_known(np.array(values, dtype=float))
