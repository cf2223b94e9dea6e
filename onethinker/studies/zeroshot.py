"""`onethinker bench zeroshot`: the paper's Figure 5. Question types that no training data has, before SFT, after SFT
and after RL: is what was learned of any use beyond the templates that it was learned from?

The questions are `data.worlds.zeroshot`'s; `leaks` looks for their words in everything that was trained on, and the
page says how many it found. Cells are `before`, `sft` and `rl/seed-K`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.data.worlds import build_zeroshot, leaks
from onethinker.data.worlds.zeroshot import CONTROL, GUESSED
from onethinker.models.shipped import shipped_data
from onethinker.recipes import override, trained_with
from onethinker.sample import Sample, Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.studies.bench import (
    Bench,
    Row,
    Work,
    cell_row,
    cross_cells,
    measure,
    open_bench,
    run_cells,
    seeds_done,
    train_and_measure,
    write_study,
)
from onethinker.studies.crossed import MEASURES, Crossed, Measure, mean_of, paired_test
from onethinker.studies.pages.index import write_study_page
from onethinker.tasks import get_task

BEFORE, SFT, RL, MEAN = "before", "sft", "rl", "mean"
QUESTIONS, QUICK_QUESTIONS = 2400, 160


def bench_zeroshot(
    out: Path,
    model: str,
    *,
    seeds: int = 5,
    quick: bool = False,
    untrained: str = "mini",
    assignments: Sequence[str] = (),
    command: str = "",
    ray: str = "",
) -> Path:
    """Run or resume the study in `out` and return its page, which has all seeds that are finished. untrained: the model
    that SFT began with."""
    bench = open_bench(
        "zeroshot", out, model, seeds=seeds, quick=quick, assignments=assignments, command=command, untrained=untrained
    )
    train, _ = bench.world()
    questions = _questions(bench, QUICK_QUESTIONS if quick else QUESTIONS)
    run_cells(out, _cells(bench, untrained, train, questions), ray=ray, device=bench.recipe.model.device)
    bench = replace(bench, seeds=len(seeds_done(out, RL)))
    rows = {cell: cell_row(out, cell) for cell in _cells(bench, untrained, train, questions)}
    results = {"questions": len(questions), "trained_on": _searched(model, train), "blind": blind(questions)}
    results |= _results(bench, questions)
    return write_study_page(write_study(bench, rows, results))


def _questions(bench: Bench, n: int) -> Samples:
    folder = bench.out / "zeroshot"

    def build(_: Path) -> Row:
        build_zeroshot(folder, n, seed=0)
        return {}

    run_cells(bench.out, {"zeroshot": build})
    return load_samples(folder)


def _cells(bench: Bench, untrained: str, train: Samples, questions: Samples) -> dict[str, Work]:
    def answers(name: str) -> Work:
        return lambda folder: measure(folder, bench.recipe, name, questions)

    def trained(seed: int) -> Work:
        recipe = override(bench.recipe, [f"seed={seed}"])
        return lambda folder: train_and_measure(folder, recipe, train, questions)

    cells = {BEFORE: answers(untrained), SFT: answers(bench.recipe.model.base)}
    return cells | {f"{RL}/seed-{seed}": trained(seed) for seed in range(bench.seeds)}


def _searched(model: str, train: Samples) -> list[Row]:
    """How many samples of each training set hold a phrase of a zero-shot question. What a shipped model learned from
    was searched when it was made; n and `found` are None for SFT data that are neither here nor told of."""
    sft: Row = {"n": None, "found": None}
    made = trained_with(model)
    if told := shipped_data(model):
        sft = {"n": told["samples"], "found": told["leaks"]}
    elif made and made.data.train and Path(made.data.train).exists():
        sft = _search(load_samples(made.data.train, made.data.media_root or None, made.data.limit))
    return [{"data": "SFT"} | sft, {"data": "RL"} | _search(train)]


def _search(samples: Samples) -> Row:
    return {"n": len(samples), "found": len(leaks(samples))}


def blind(questions: Samples) -> dict[str, float]:
    """Kind → what one answer, the same for all its questions, gets at best: the headline metric of the best of the
    kind's truths. Nothing at or below it needs a look at the picture."""
    of_kind: dict[str, list[Sample]] = {}
    for sample in questions:
        of_kind.setdefault(str(sample.meta["kind"]), []).append(sample)
    return {
        kind: max(_always(truth, samples) for truth in dict.fromkeys(s.truth for s in samples))
        for kind, samples in of_kind.items()
    }


def _always(text: str, samples: Sequence[Sample]) -> float:
    task = get_task(samples[0].task)
    answer = read_answer(f"<think></think><answer>{text}</answer>")
    shares = [next(iter(task.counted(task.score(sample, answer), "official").values())) for sample in samples]
    return sum(above for above, _ in shares) / sum(below for _, below in shares)


# ---- results ----------------------------------------------------------------------------------------------------


def _results(bench: Bench, questions: Samples) -> dict[str, Any]:
    kinds = {s.id: str(s.meta["kind"]) for s in questions}
    tasks = {str(s.meta["kind"]): s.task for s in questions}
    tables: dict[str, Any] = {}
    gains: dict[str, Any] = {}
    left_out = 0
    for measured in MEASURES:
        found, without = _numbers(bench, kinds, measured)
        left_out = max(left_out, without)
        tables[measured] = {stage: {kind: n.row() for kind, n in row.items()} for stage, row in found.items()}
        steps = {"sft": (BEFORE, SFT), "rl": (SFT, RL)}
        gains[measured] = {
            step: {kind: paired_test(found[b][kind] - found[a][kind]) for kind in found[a]}
            for step, (a, b) in steps.items()
        }
    known = {"kinds": tasks, "control": CONTROL, "guessed": GUESSED}
    return known | {"left_out": left_out, "tables": tables, "gains": gains}


def _numbers(bench: Bench, kinds: dict[str, str], measured: Measure) -> tuple[dict[str, dict[str, Crossed]], int]:
    """Stage → kind → its number, with the plain mean over the new kinds; and the questions left out."""
    stages = {BEFORE: [BEFORE], SFT: [SFT], RL: [f"{RL}/seed-{seed}" for seed in range(bench.seeds)]}
    found, left_out = cross_cells(bench.out, stages, kinds, measured, bench.recipe.evaluate)
    with_mean = {
        stage: row | {MEAN: mean_of([number for kind, number in row.items() if kind != CONTROL])}
        for stage, row in found.items()
    }
    return with_mean, left_out
