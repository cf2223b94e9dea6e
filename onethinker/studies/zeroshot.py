"""`onethinker bench zeroshot`: the paper's Figure 5. Question types that no training data has, before SFT, after SFT
and after RL: is what was learned of any use beyond the templates that it was learned from?

The questions are `data.worlds.zeroshot`'s; `leaks` looks for their words in everything that was trained on, and the
page says how many it found. Cells are `before`, `sft` and `rl/seed-K`.

Contrasts (see `contrasts`): RL minus SFT on every kind of question and in the mean over the new kinds. SFT was done
once, so what it adds to the untrained model has no seeds and is not tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onethinker.data.worlds import build_zeroshot, leaks
from onethinker.data.worlds.zeroshot import CONTROL, GUESSED
from onethinker.models.shipped import known_model, shipped_data
from onethinker.recipes import override, trained_with
from onethinker.sample import Sample, Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.scoring.scores import score_many
from onethinker.studies.bench import Bench, evaluate_cell, open_bench, train_cell, write_study
from onethinker.studies.cells import Row, Work, run_cells, seeds_done
from onethinker.studies.contrasts import contrast_row, gain
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.scores import mean_over, read_scores
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
    that SFT began with. Raises ModelError, before any work, for one that there is not."""
    known_model(untrained)
    bench = open_bench(
        "zeroshot", out, model, seeds=seeds, quick=quick, assignments=assignments, command=command, ray=ray,
        untrained=untrained,
    )  # fmt: skip
    train, _ = bench.world()
    questions = _questions(bench, QUICK_QUESTIONS if quick else QUESTIONS)
    bench.run(_cells(bench, untrained, train, questions))
    bench = replace(bench, seeds=len(seeds_done(out, RL)))
    cells = _cells(bench, untrained, train, questions)
    results = {"questions": len(questions), "trained_on": _searched(model, train), "blind": blind(questions)}
    results |= _results(bench, questions)
    return write_study_page(write_study(bench, cells, results))


def _questions(bench: Bench, n: int) -> Samples:
    folder = bench.out / "zeroshot"

    def build(_: Path) -> Row:
        build_zeroshot(folder, n, seed=0)
        return {}

    run_cells(bench.out, {"zeroshot": build})
    return load_samples(folder)


def _cells(bench: Bench, untrained: str, train: Samples, questions: Samples) -> dict[str, Work]:
    cells = {
        BEFORE: evaluate_cell(bench.recipe, untrained, questions),
        SFT: evaluate_cell(bench.recipe, bench.recipe.model.base, questions),
    }
    for seed in range(bench.seeds):
        cells[f"{RL}/seed-{seed}"] = train_cell(override(bench.recipe, [f"seed={seed}"]), train, questions)
    return cells


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
    answer = read_answer(f"<think></think><answer>{text}</answer>")
    scored = score_many(samples, [answer] * len(samples))
    return next(iter(get_task(samples[0].task).metrics([found.score for found in scored]).values()))


# ---- results ----------------------------------------------------------------------------------------------------


def _results(bench: Bench, questions: Samples) -> Row:
    stages = {BEFORE: [BEFORE], SFT: [SFT], RL: [f"{RL}/seed-{seed}" for seed in range(bench.seeds)]}
    targets = {s.id: str(s.meta["kind"]) for s in questions}
    scores, left_out = read_scores(bench.out, stages, targets, bench.recipe.evaluate.reward)
    for of_stage in scores.values():
        for row in of_stage.values():
            row[MEAN] = mean_over(row, [kind for kind in row if kind != CONTROL])
    contrasts = [
        contrast_row(RL, SFT, kind, measure, gain(of_stage[RL][kind], of_stage[SFT][kind]))
        for measure, of_stage in scores.items()
        for kind in of_stage[RL]
    ]
    known = {"kinds": {str(s.meta["kind"]): s.task for s in questions}, "control": CONTROL, "guessed": GUESSED}
    return known | {"left_out": left_out, "scores": scores, "contrasts": contrasts}
