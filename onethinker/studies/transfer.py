"""`onethinker bench transfer`: the paper's Table 10 as maps. What training on one task does for every other one.

From one SFT checkpoint, RL with equal rollouts and updates on all tasks (`all`), on all but one (`without/TASK`) and on
one alone (`only/TASK`). Two maps, sources in rows and targets in columns:

- *beyond third tasks*, the study's contrasts (see `contrasts`): RL on the source alone minus the mean of RL on each
  third task alone, on the target. The start is not in it, whose errors all of a column would share. On the diagonal
  source and target are the same task, and all others are third ones.
- *leave one out*: RL on all tasks minus RL on all but the source, on the target. A run without a task asks the others
  the more often, so this is what the task's share of the rollouts was worth beside the others'. No contrasts.

Cells are `ARM/seed-K`, and `sft` for the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from onethinker.recipes import RecipeError, override
from onethinker.sample import Samples
from onethinker.studies.bench import (
    Bench,
    check_names,
    evaluate_cell,
    only,
    open_bench,
    train_cell,
    write_study,
)
from onethinker.studies.cells import Row, Work, seeds_done
from onethinker.studies.contrasts import Measure, contrast_row, paired
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.scores import Scores, mean_over, read_scores
from onethinker.tasks import list_tasks, released_tasks

START, ALL, MEAN = "sft", "all", "mean"
THIRDS = "third tasks"
QUICK_TASKS = ("multiple_choice", "temporal_grounding", "spatial_grounding", "tracking")


def bench_transfer(
    out: Path,
    model: str,
    *,
    seeds: int = 2,
    quick: bool = False,
    tasks: Sequence[str] = (),
    assignments: Sequence[str] = (),
    command: str = "",
    ray: str = "",
) -> Path:
    """Run or resume the study in `out` and return its page, which has all seeds that are finished. tasks: trained and
    measured, all if empty.

    Raises RecipeError for a task that is not one, or for fewer than three.
    """
    chosen = list(dict.fromkeys(tasks or (QUICK_TASKS if quick else released_tasks())))
    check_names("task", chosen, list_tasks())
    if len(chosen) < 3:
        raise RecipeError(f"transfer between {len(chosen)} tasks; expected three or more: two and a third beside them")
    fewer = ["rl.steps=20"] if not quick else []
    bench = open_bench(
        "transfer", out, model, seeds=seeds, quick=quick, assignments=[*fewer, *assignments], command=command,
        ray=ray, tasks=sorted(chosen),
    )  # fmt: skip
    train, test = (only(samples, lambda s: s.task in chosen) for samples in bench.world())
    arms = arms_of(chosen, train)
    bench.run(_cells(bench, arms, test))
    bench = replace(bench, seeds=min(len(seeds_done(out, arm)) for arm in arms))
    return write_study_page(write_study(bench, _cells(bench, arms, test), _results(bench, chosen, test)))


def arms_of(tasks: Sequence[str], train: Samples) -> dict[str, Samples]:
    """What each arm trains on, by its name."""
    arms = {ALL: train}
    for task in tasks:
        arms[f"without/{task}"] = only(train, lambda s, task=task: s.task != task)  # type: ignore[misc]
        arms[f"only/{task}"] = only(train, lambda s, task=task: s.task == task)  # type: ignore[misc]
    return arms


def _cells(bench: Bench, arms: Mapping[str, Samples], test: Samples) -> dict[str, Work]:
    cells = {START: evaluate_cell(bench.recipe, bench.recipe.model.base, test)}
    for seed in range(bench.seeds):
        recipe = override(bench.recipe, [f"seed={seed}"])
        cells |= {f"{arm}/seed-{seed}": train_cell(recipe, samples, test) for arm, samples in arms.items()}
    return cells


def _results(bench: Bench, tasks: Sequence[str], test: Samples) -> Row:
    arms = {START: [START]}
    arms |= {arm: [f"{arm}/seed-{seed}" for seed in range(bench.seeds)] for arm in arms_of(tasks, test)}
    targets = {s.id: s.task for s in sorted(test, key=lambda s: tasks.index(s.task))}
    scores, left_out = read_scores(bench.out, arms, targets, bench.recipe.evaluate.reward)
    for of_arm in scores.values():
        for row in of_arm.values():
            row[MEAN] = mean_over(row, list(row))
    contrasts = [row for measure in scores for row in contrasts_of(tasks, measure, scores[measure])]
    return {"tasks": tasks, "questions": len(test), "left_out": left_out, "scores": scores, "contrasts": contrasts}


def contrasts_of(tasks: Sequence[str], measure: Measure, scores: Scores) -> list[Row]:
    """What RL on each source alone gives each target beyond what RL on third tasks gives it."""
    found = []
    for target in (task for task in tasks if task in scores[START]):
        alone = {task: scores[f"only/{task}"][target] for task in tasks}
        for source in tasks:
            thirds = mean_over(alone, [task for task in tasks if task not in (source, target)])
            found.append(contrast_row(source, THIRDS, target, measure, paired(alone[source], thirds)))
    return found
