"""`onethinker bench biased`: which estimator mends what a biased annotator taught?

`mini-sft` learns from worked answers whose every box is two grid steps too far right and whose every event is half a
second late, as the demo's does. From that one checkpoint every arm trains on exact truth, with the same seeds, prompts,
rollouts and updates; what differs is `rl.algorithm` alone. Tasks differ in how far the annotator was off (boxes, times,
both, or not at all), so that the spreads of their rewards differ, the setting for which EMA-GRPO was made. MT-GRPO
alone chooses among its tasks' groups.

Contrasts, fixed before the first run (see `contrasts` for the rule): EMA-GRPO minus each other arm, in the mean over
tasks, on two targets. `held out`: the headline metric of greedy answers after the last step. `while training`: the
accuracy of all answers of a run, mean over its steps, which is the area under its curve; nothing is smoothed, and all
arms are asked the same prompts. Only described, with intervals that are not corrected: single tasks, the steps until
nine tenths of what the annotator cost are made good (trailing mean of ten steps, the base's own sampled accuracy as the
ceiling), each task's share of the advantages' absolute values, and σ of EMA-GRPO.

A second question was added once four seeds of `ARMS` had been seen, in which estimators that scale by a group's own
spread lay ahead of EMA-GRPO; its arms (`OWN`, EMA-GRPO with another σ) and contrasts were fixed before any run of
theirs and are corrected among themselves. What is it about a task's σ? If it remembers too long, a `short` memory
closes the gap to GRPO. If it counts how prompts differ beside how answers to one prompt do, σ `within` groups closes
it. If neither does, it is that all groups of a task share one scale. And if the share of the gradient that goes to the
tasks mended last orders the estimators, `even`, which gives every task the same, falls below EMA-GRPO.

A cell's row holds all that the page needs of it, so a `study.json` can be continued on another machine (`known`): its
cells are not run again there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from onethinker.recipes import Recipe, override
from onethinker.sample import Samples
from onethinker.studies.algorithms import arms as variants
from onethinker.studies.bench import (
    Bench,
    check_names,
    evaluate_cell,
    open_bench,
    refuse,
    take_known,
    train_cell,
    write_study,
)
from onethinker.studies.cells import (
    Row,
    Work,
    arms_done,
    cell_folder,
    cell_row,
    run_cells,
    seeds_done,
)
from onethinker.studies.contrasts import Measure, contrast_row, paired
from onethinker.studies.demo import ANNOTATOR, SETTINGS
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.scores import MEASURES, read_scores
from onethinker.train.advantage import ALGORITHMS
from onethinker.train.sft import run_sft
from onethinker.util.runs import JsonLines

ARMS = ("ema_grpo", "grpo", "dr_grpo", "batch_std", "task_batch_std", "mt_grpo", "g2rpo")
"""The first is compared with each of the others."""

OWN = ("ema_grpo_within", "ema_grpo_short", "ema_grpo_even")
"""Of `algorithms.VARIANTS`: the arms of the second question, each compared with those of `AGAINST`."""
AGAINST = ("ema_grpo", "grpo")

FULL = ("rl.steps=120", "rl.prompts=13", "rl.minibatch=13", "rl.optimizer.lr=3e-4", "evaluate.sampled=1")
QUICK = ("rl.steps=10", "rl.optimizer.lr=3e-4", "evaluate.sampled=1")
QUICK_SFT = ("sft.steps=4",)
BASE, START = "base", "sft"
HELD_OUT, TRAINING = "held out", "while training"
TARGETS: dict[str, Measure] = {HELD_OUT: "headline", TRAINING: "accuracy"}
"""What the contrasts are on, and how it is measured."""
BIN = 10
"""Steps that a point of a task's curve is the mean of."""


def bench_biased(
    out: Path,
    model: str = "mini-sft",
    *,
    seeds: int = 5,
    quick: bool = False,
    algorithms: Sequence[str] = (),
    assignments: Sequence[str] = (),
    command: str = "",
    known: Path | None = None,
    ray: str = "",
) -> Path:
    """Run or resume the study in `out` and return its page.

    algorithms: registered ones and of `OWN`; `ARMS` if empty. known: a `study.json` of the same study, whose cells are
    taken as they are. Raises RecipeError for an unknown name and for a `known` of other settings.
    """
    chosen = list(algorithms or ARMS)
    check_names("algorithm", chosen, [*ALGORITHMS, *OWN])
    refuse(assignments, ("rl.algorithm", "rl.algorithm_options"), "this study sets the algorithm; use --algorithm")
    bench = open_bench(
        "biased", out, model, seeds=seeds, quick=quick, assignments=[*(QUICK if quick else FULL), *assignments],
        command=command, ray=ray, annotator=ANNOTATOR,
    )  # fmt: skip
    if known:
        take_known(bench, known)
    recipe, train, test = _prepare(bench, quick)
    targets = {sample.id: sample.task for sample in test}

    def asked(model: str) -> Work:
        work = evaluate_cell(recipe, model, test)
        return lambda folder: work(folder) | _scores(folder, targets, recipe)

    def trained(changed: Recipe) -> Work:
        work = train_cell(changed, train, test)
        return lambda folder: work(folder) | _scores(folder, targets, changed) | _course(folder)

    cells = {BASE: asked(model), START: asked(recipe.model.base)}
    for seed in range(seeds):  # seed by seed, so that a study stopped early has whole seeds
        for arm in chosen:
            changed = override(recipe, [f"seed={seed}", *variants()[arm]])
            cells[f"{arm}/seed-{seed}"] = trained(changed)
    bench.run(cells)
    return write_study_page(write_results(bench))


def _prepare(bench: Bench, quick: bool) -> tuple[Recipe, Samples, Samples]:
    """The recipe of RL, which starts from what SFT on the annotator's answers made, training and held-out samples."""
    sft = override(bench.recipe, [*SETTINGS, *(QUICK_SFT if quick else ()), f"model.base={bench.recipe.model.base}"])
    train, test = bench.world(0, name="world", bias=ANNOTATOR)
    run_cells(bench.out, {"annotated": lambda cell: {"model": str(run_sft(sft, train, cell / "sft"))}})
    start = cell_folder(bench.out, "annotated") / "sft" / "checkpoints"
    return override(bench.recipe, [f"model.base={max(start.glob('step-*'))}"]), train, test


# ---- what a cell keeps ------------------------------------------------------------------------------------------


def _scores(folder: Path, targets: Mapping[str, str], recipe: Recipe) -> Row:
    """Of an evaluation: by task the headline metric of greedy answers, reward and accuracy of sampled ones."""
    found, left_out = read_scores(
        folder, {"": [""]}, targets, recipe.evaluate.reward, lambda out, _: out, measures=(*MEASURES, "accuracy")
    )
    scores = {measure: {task: values[0] for task, values in of_arm[""].items()} for measure, of_arm in found.items()}
    return {"sampled": scores.pop("accuracy"), "scores": scores, "lost": left_out}


def _course(folder: Path) -> Row:
    """Of a training: accuracy step by step, by task in bins of steps; each task's share of |A|; EMA-GRPO's σ."""
    steps = JsonLines(folder / "rl" / "metrics.jsonl").rows()
    names = {key.partition("/")[2] for row in steps for key in row if key.startswith("accuracy/")}
    by_task = {task: np.array([row.get(f"accuracy/{task}", np.nan) for row in steps], float) for task in sorted(names)}
    curve = np.nanmean(list(by_task.values()), axis=0)  # tasks count alike
    sigma = {task: [row.get(f"ema_std/{task}") for row in steps[BIN - 1 :: BIN]] for task in by_task}
    return {
        "curve": curve.round(4).tolist(),
        "tasks": {task: _binned(values) for task, values in by_task.items()},
        "share": _shares(folder / "rl" / "rollouts"),
        "sigma": {task: values for task, values in sigma.items() if any(v is not None for v in values)},
    }


def _binned(values: np.ndarray) -> list[float | None]:
    parts = [values[i : i + BIN] for i in range(0, len(values), BIN)]
    return [None if np.isnan(part).all() else round(float(np.nanmean(part)), 4) for part in parts]


def _shares(rollouts: Path) -> dict[str, float]:
    """Each task's share of the absolute advantages of all tokens that were trained on, which is what the token-mean
    loss adds up."""
    import pyarrow.parquet as pq

    sums: dict[str, float] = {}
    for file in sorted(rollouts.glob("step-*.parquet")):
        for row in pq.read_table(file, columns=["task", "advantage", "tokens"]).to_pylist():
            sums[row["task"]] = sums.get(row["task"], 0.0) + abs(row["advantage"] or 0.0) * row["tokens"]
    total = sum(sums.values()) or 1.0
    return {task: round(value / total, 4) for task, value in sorted(sums.items())}


# ---- results ----------------------------------------------------------------------------------------------------


def write_results(bench: Bench) -> Path:
    """`OUT/study.json` of all finished cells. Its settings tell the most seeds that an arm has."""
    every = dict.fromkeys([*ARMS, *ALGORITHMS, *OWN, *arms_done(bench.out)])
    done = {arm: cells for arm in every if (cells := seeds_done(bench.out, arm))}
    names = [BASE, START, *(cell for cells in done.values() for cell in cells)]
    rows = {name: cell_row(bench.out, name) for name in names}
    arms = {arm: [rows[cell] for cell in cells] for arm, cells in done.items()}
    results = {"annotator": ANNOTATOR, "rows": rows, "contrasts": contrasts_of(arms), "own": own_contrasts(arms)}
    most = max(map(len, arms.values()))
    return write_study(replace(bench, seeds=most), names, results)


def contrasts_of(arms: Mapping[str, Sequence[Row]]) -> list[Row]:
    """What the study compares: the first arm that ran minus each other one, on both targets."""
    run = [arm for arm in dict.fromkeys([*ARMS, *arms]) if arm in arms and arm not in OWN]
    return _contrasts(arms, [(run[0], other) for other in run[1:]])


def own_contrasts(arms: Mapping[str, Sequence[Row]]) -> list[Row]:
    """What its second question compares: each arm of `OWN` minus each of `AGAINST`, on both targets."""
    return _contrasts(arms, [(a, b) for a in OWN if a in arms for b in AGAINST if b in arms])


def _contrasts(arms: Mapping[str, Sequence[Row]], pairs: Sequence[tuple[str, str]]) -> list[Row]:
    values = {arm: {HELD_OUT: [held_out(r) for r in rows], TRAINING: [fmean(r["curve"]) for r in rows]}
              for arm, rows in arms.items()}  # fmt: skip
    return [
        contrast_row(a, b, target, measure, paired(values[a][target], values[b][target]))
        for target, measure in TARGETS.items()
        for a, b in pairs
    ]


def held_out(row: Mapping[str, Any]) -> float:
    """The headline metric of greedy answers, mean over tasks."""
    return fmean(row["scores"]["headline"].values())
