"""`onethinker bench transfer`: the paper's Table 10 as maps. What training on one task does for every other one.

From one SFT checkpoint, RL with equal rollouts and updates on

- all tasks (`all`);
- all tasks but one (`without/TASK`): *leave one out* is all − without, what the task gave to each task;
- one task alone (`only/TASK`): *add one in* is only − start, what the task alone gives to each;
- each of them beside the others: *specific* is only − the mean of the other `only/TASK`, free of the start's luck;
- pictures or clips alone (`only/image`, `only/video`): *modality* is only − start, on pictures and on clips.

A run without a task asks the other ones the more often, so `all − without` is what its share of the rollouts was worth
there compared with the others', not what they would have missed. Cells are `ARM/seed-K`, and `sft` for the start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.recipes import RecipeError, override
from onethinker.sample import Sample, Samples
from onethinker.studies.bench import (
    Bench,
    Row,
    Work,
    cell_row,
    check_names,
    cross_cells,
    measure,
    only,
    open_bench,
    run_cells,
    seeds_done,
    train_and_measure,
    write_study,
)
from onethinker.studies.crossed import MEASURES, Crossed, Measure, mean_of, pooled, told_apart
from onethinker.studies.pages.index import write_study_page
from onethinker.tasks import list_tasks

START, ALL, MEAN = "sft", "all", "mean"
MODALITIES = ("image", "video")
QUICK_TASKS = ("multiple_choice", "temporal_grounding", "spatial_grounding", "tracking")


def modality(sample: Sample) -> str:
    """A sample with a clip is a video one, as in the sampler's balance."""
    return "video" if sample.modality.startswith("video") else "image"


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

    Raises RecipeError for a task that is not one, or for fewer than two.
    """
    chosen = list(dict.fromkeys(tasks or (QUICK_TASKS if quick else list_tasks())))
    check_names("task", chosen, list_tasks())
    if len(chosen) < 2:
        raise RecipeError(f"transfer between {len(chosen)} tasks; expected two or more")
    fewer = ["rl.steps=20"] if not quick else []
    bench = open_bench(
        "transfer", out, model, seeds=seeds, quick=quick, assignments=[*fewer, *assignments], command=command,
        tasks=sorted(chosen),
    )  # fmt: skip
    train, test = (only(samples, lambda s: s.task in chosen) for samples in bench.world())
    runs = arms(chosen, train)
    run_cells(out, _cells(bench, runs, test), ray=ray, device=bench.recipe.model.device)
    bench = replace(bench, seeds=min(len(seeds_done(out, run)) for run in runs))
    rows = {cell: cell_row(out, cell) for cell in _cells(bench, runs, test)}
    return write_study_page(write_study(bench, rows, _results(bench, chosen, test)))


def arms(tasks: Sequence[str], train: Samples) -> dict[str, Samples]:
    """What each run trains on, by its name; a modality that no sample has is left out."""
    found = {ALL: train}
    for task in tasks:
        found[f"without/{task}"] = only(train, lambda s, task=task: s.task != task)  # type: ignore[misc]
        found[f"only/{task}"] = only(train, lambda s, task=task: s.task == task)  # type: ignore[misc]
    for kind in MODALITIES:
        found[f"only/{kind}"] = only(train, lambda s, kind=kind: modality(s) == kind)  # type: ignore[misc]
    return {name: samples for name, samples in found.items() if len(samples)}


def _cells(bench: Bench, runs: Mapping[str, Samples], test: Samples) -> dict[str, Work]:
    def work(seed: int, samples: Samples) -> Work:
        recipe = override(bench.recipe, [f"seed={seed}"])
        return lambda folder: train_and_measure(folder, recipe, samples, test)

    def start(folder: Path) -> Row:
        return measure(folder, bench.recipe, bench.recipe.model.base, test)

    cells: dict[str, Work] = {START: start}
    for seed in range(bench.seeds):
        cells |= {f"{arm}/seed-{seed}": work(seed, samples) for arm, samples in runs.items()}
    return cells


# ---- results ----------------------------------------------------------------------------------------------------


def _results(bench: Bench, tasks: Sequence[str], test: Samples) -> Row:
    maps = {measured: _maps(bench, tasks, test, measured) for measured in MEASURES}
    return {"tasks": list(tasks), "questions": len(test), "maps": maps}


def _maps(bench: Bench, tasks: Sequence[str], test: Samples, measured: Measure) -> dict[str, Any]:
    """Paired differences {value, low, high, seeds} by source and target: a task, the mean over tasks, a modality; and
    how many questions are in none of them because some cell has no score for them."""
    found, left_out = _numbers(bench, tasks, test, measured, by_modality=False)
    whole, start = found[ALL], found[START]
    sides, _ = _numbers(bench, tasks, test, measured, by_modality=True)
    return {
        "left_out": left_out,
        "start": {task: n.row() for task, n in start.items()},
        "all": _differences(whole, start),
        "leave_one_out": {task: _differences(whole, found[f"without/{task}"]) for task in tasks},
        "add_one_in": {task: _differences(found[f"only/{task}"], start) for task in tasks},
        "specific": _specific({task: found[f"only/{task}"] for task in tasks}),
        "modality": {
            kind: _differences(sides[f"only/{kind}"], sides[START]) for kind in MODALITIES if f"only/{kind}" in sides
        },
    }


def _differences(a: dict[str, Crossed], b: dict[str, Crossed]) -> dict[str, Row]:
    """a − b for every target."""
    return {target: (a[target] - b[target]).row() for target in a}


def _specific(only: Mapping[str, Mapping[str, Crossed]]) -> dict[str, dict[str, Row]]:
    """What training on one task gives another beyond what the third ones give it: RL on the one minus the mean of RL on
    each third. The start, whose luck all of the add-one-in map shares, is not in it. Empty for fewer than three tasks.

    Luck is that of all sources of a target; a pair is told apart among all of them. The mean is over the other tasks.
    """
    if len(only) < 3:
        return {}
    found: dict[str, dict[str, Crossed]] = {source: {} for source in only}
    for target in only:
        sources = [source for source in only if source != target]
        thirds = [mean_of([only[third][target] for third in sources if third != source]) for source in sources]
        beyond = [only[source][target] - third for source, third in zip(sources, thirds, strict=True)]
        for source, pair in zip(sources, pooled(beyond, len(sources)), strict=True):
            found[source][target] = pair
    told = iter(told_apart([pair for targets in found.values() for pair in targets.values()]))
    return {
        source: {target: pair.row() | next(told) for target, pair in targets.items()}
        | {MEAN: mean_of(list(targets.values())).row()}
        for source, targets in found.items()
    }


def _numbers(
    bench: Bench, tasks: Sequence[str], test: Samples, measured: Measure, *, by_modality: bool
) -> tuple[dict[str, dict[str, Crossed]], int]:
    """Arm → target → its number, and the questions left out. A modality's is the plain mean over the tasks it has."""
    ordered = sorted(test, key=lambda s: tasks.index(s.task))
    kinds = {s.id: f"{s.task} {modality(s)}" if by_modality else s.task for s in ordered}
    names = {START: [START]}
    names |= {arm: [f"{arm}/seed-{seed}" for seed in range(bench.seeds)] for arm in arms(tasks, test)}
    found, left_out = cross_cells(bench.out, names, kinds, measured, bench.recipe.evaluate)
    if not by_modality:
        return {arm: numbers | {MEAN: mean_of(list(numbers.values()))} for arm, numbers in found.items()}, left_out
    by_side = {
        arm: {
            side: mean_of(of_side)
            for side in MODALITIES
            if (of_side := [n for kind, n in numbers.items() if kind.endswith(f" {side}")])
        }
        for arm, numbers in found.items()
    }
    return by_side, left_out
