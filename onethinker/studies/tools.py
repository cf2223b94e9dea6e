"""`onethinker bench tools`: does a model that may look closer, look again or look something up answer more?

Questions of `data world --needs zoom,look,search` and of the plain world, in one pool, with worked answers that do not
err. Two arms start from the same checkpoint, learn from the same questions with the same seeds by SFT on the worked
answers, each seen once, and then by RL, and differ in one thing. `tools` sees little, and may call `zoom`, `look` and
`search` for more. `none` has no tools, learns the teacher's last turn alone, and is shown from the start at least as
many visual tokens as the other has together with the pictures of one call: pictures of 96² for 64² twice, 16 frames for
6 and five of a look. Both start from the model with the words of a call as tokens (`call_tokens`): without those, a
model of a few million parameters spends its training on spelling.

Contrasts, fixed before the first run (see `contrasts` for the rule), all of greedy answers to the same held-out
questions: `tools` minus `none` after RL on each kind of question and on the plain world, and after RL minus after SFT
in the mean over those kinds, in each arm. Only described: calls by kind, single tasks, visual tokens, and how sure
an accuracy is as far as questions go, which a single seed cannot tell.

The worlds and the training were settled by pilots on validation questions of other pictures, after a first study of two
seeds, 80 steps and two kinds (zoom 34 and 29% with tools, 22 without; search 56 and 86, 15 and 8; plain 81 and 84, 90
and 92). What a small model did not learn there was to copy an argument out of the question. So `look` names a shape
whose seconds the model finds as it finds a span, no passage's id is copied, and the teacher's thoughts say in the plain
world's words what the call then takes.

A cell's row holds all that the page needs of it, so a `study.json` can be continued on another machine (`known`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from onethinker.data.worlds import build_needs, build_world, needs_named
from onethinker.engines.encode import Encoder
from onethinker.models.call_tokens import add_call_tokens
from onethinker.models.load import load
from onethinker.recipes import Recipe, override
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample import Sample, Samples, load_samples
from onethinker.scoring.results import RESULTS, current, is_error
from onethinker.scoring.rollout import make_request
from onethinker.studies.bench import (
    Bench,
    Sizes,
    evaluate_model,
    open_bench,
    refuse,
    take_known,
    train_and_evaluate,
    unseen,
    write_study,
)
from onethinker.studies.cells import Row, Work, cell_row, run_cells, seeds_done
from onethinker.studies.contrasts import contrast_row, paired
from onethinker.studies.pages.index import write_study_page
from onethinker.studies.pages.tools import KINDS, PLAIN, kinds_of
from onethinker.train.sft import run_sft
from onethinker.util.runs import JsonLines

TOOLS, NONE = "tools", "none"
MEAN = "mean of the kinds"
ARMS = {
    TOOLS: ("image_pixels=4096", "frame_pixels=4096", "max_frames=6"),
    NONE: ("image_pixels=9216", "frame_pixels=4096", "max_frames=16"),
}
"""Arm → its budget."""
SFT = ("sft.batch=16", "sft.optimizer.schedule=linear", "sft.optimizer.lr=3e-3", "sft.optimizer.matrix_lr=4e-3",
       "sft.save_every=25", "sft.keep=1")  # fmt: skip
"""A high rate that falls to nothing: of as many samples a tiny model learned most so."""
RL = ("rl.sampler=uniform", "rl.optimizer.lr=3e-4", "evaluate.sampled=0")
FULL = ("sft.steps=240", "rl.steps=24", "rl.prompts=12", "rl.minibatch=12", "rl.group=4")
QUICK = ("sft.steps=4", "rl.steps=2", "rl.prompts=6", "rl.minibatch=6", "rl.group=3")
FULL_SIZES, QUICK_SIZES = (Sizes(720, 150), Sizes(1680, 390)), (Sizes(4, 2), Sizes(13, 13))
"""Of each kind of the world that needs tools, and of the plain one."""
MEASURED = 4
"""Questions of a kind whose visual tokens are counted."""


def bench_tools(
    out: Path,
    model: str = "mini-sft",
    *,
    needs: Sequence[str] = KINDS,
    seeds: int = 5,
    quick: bool = False,
    assignments: Sequence[str] = (),
    command: str = "",
    known: Path | None = None,
    ray: str = "",
) -> Path:
    """Run or resume the study in `out` and return its page. needs: the kinds of questions, and the tools that are
    offered. known: a `study.json` of the same study, whose cells are taken as they are. Raises RecipeError for a
    `known` of other settings, WorldError for kinds that there are not."""
    kinds = tuple(needs_named(",".join(needs)))
    refuse(assignments, ("tools.names", "tools.knowledge"), "this study sets the tools")
    of_kind, plain = QUICK_SIZES if quick else FULL_SIZES
    hard = Sizes(of_kind.train * len(kinds), of_kind.test * len(kinds))
    sizes = {"kinds": [*kinds], "needs": [hard.train, hard.test], "plain": [plain.train, plain.test]}
    settings = [*SFT, *RL, *(QUICK if quick else FULL), *assignments]
    bench = open_bench(
        "tools", out, model, seeds=seeds, quick=quick, assignments=settings,
        command=command, ray=ray, sampled=False, worlds=sizes,
    )  # fmt: skip
    bench = replace(bench, sizes=Sizes(hard.train + plain.train, hard.test + plain.test))
    if known:
        take_known(bench, known)
    train, test = _data(bench, kinds, hard, plain)
    start = out / "model"
    # A cell: one of the processes that share the folder makes it, and one that was killed meanwhile makes it again.
    run_cells(out, {"model": lambda _: {"model": str(add_call_tokens(model, start))}})

    def work(arm: str, seed: int) -> Work:
        recipe = override(bench.recipe, [*arm_settings(arm, out, kinds), f"model.base={start}", f"seed={seed}"])
        return lambda folder: _cell(folder, recipe, train, test)

    # Seed by seed, so that a study that is stopped early has whole seeds.
    bench.run({f"{arm}/seed-{seed}": work(arm, seed) for seed in range(seeds) for arm in ARMS})
    return write_study_page(write_results(bench))


def arm_settings(arm: str, out: Path, kinds: Sequence[str]) -> list[str]:
    """What an arm's recipe changes."""
    budget = [f"{section}.{value}" for section in ("media", "evaluate.budget") for value in ARMS[arm]]
    if arm == NONE:
        return budget
    knowledge = [f"tools.knowledge={out / 'needs' / 'knowledge'}"] if "search" in kinds else []
    return [*budget, f"tools.names=[{','.join(kinds)}]", "tools.turns=3", *knowledge]


def _data(bench: Bench, kinds: Sequence[str], hard: Sizes, plain: Sizes) -> tuple[Samples, Samples]:
    """Training and held-out questions of both worlds."""

    def build(_: Path) -> Row:
        build_needs(
            bench.out / "needs", hard.train, seed=0, needs=kinds, validation=1, test=hard.test, teacher_error=0.0
        )
        build_world(bench.out / "plain", plain.train, seed=1, validation=1, test=plain.test, teacher_error=0.0)
        return {}

    run_cells(bench.out, {"worlds": build})
    return _both(bench.out, "train"), unseen(_both(bench.out, "test"), bench.recipe.model.base)


def _both(out: Path, split: str) -> Samples:
    rows = [
        replace(sample, id=f"{world}-{sample.id}", media=tuple(f"{world}/{split}/{name}" for name in sample.media))
        for world in ("needs", "plain")
        for sample in load_samples(out / world / split)
    ]
    return Samples(tuple(rows), out)


def kind_of(sample: Sample) -> str:
    return str(sample.meta.get("needs", PLAIN))


# ---- what a cell does and keeps ---------------------------------------------------------------------------------


def _cell(folder: Path, recipe: Recipe, train: Samples, test: Samples) -> Row:
    """SFT, the held-out questions, RL, and the questions again."""
    start = str(run_sft(recipe, train, folder / "sft"))
    evaluate_model(folder / "eval-sft", recipe, start, test)
    row = train_and_evaluate(folder, override(recipe, [f"model.base={start}"]), train, test)
    kinds = {sample.id: (kind_of(sample), sample.task) for sample in test}
    steps = JsonLines(folder / "rl" / "metrics.jsonl").rows()
    return row | {
        "sft": answered(folder / "eval-sft", kinds),
        "rl": answered(folder / "eval", kinds),
        "sft_loss": [round(step["loss"], 4) for step in JsonLines(folder / "sft" / "metrics.jsonl").rows()],
        "reward": [round(step["reward"], 4) for step in steps],
        "visual": visual_tokens(recipe, test),
    }


def answered(folder: Path, kinds: Mapping[str, tuple[str, str]]) -> Row:
    """Of an evaluation's greedy answers by kind of question: how many, their mean accuracy (on the plain world over its
    tasks), the share of answers that called each tool, and the mean number of pictures that tools gave."""
    rows: dict[str, list[Row]] = {}
    for row in current(JsonLines(folder / RESULTS).rows()).values():
        if row["decoding"] == "greedy" and not is_error(row):
            rows.setdefault(kinds[row["id"]][0], []).append(row)
    found: Row = {"n": {}, "accuracy": {}, "calls": {}, "pictures": {}}
    for kind in (*KINDS, PLAIN):
        of_kind = rows.get(kind, [])
        if not of_kind:
            continue
        by_task: dict[str, list[float]] = {}
        for row in of_kind:
            by_task.setdefault(kinds[row["id"]][1] if kind == PLAIN else "", []).append(row["accuracy"])
        turns = [row.get("turns", []) for row in of_kind]
        found["n"][kind] = len(of_kind)
        found["accuracy"][kind] = fmean(fmean(values) for values in by_task.values())
        found["calls"][kind] = {name: fmean(any(t["tool"] == name for t in ts) for ts in turns) for name in KINDS}
        found["pictures"][kind] = fmean(sum(t["response"].count("[picture ") for t in ts) for ts in turns)
    return found


def visual_tokens(recipe: Recipe, test: Samples) -> dict[str, float]:
    """Mean visual tokens of a prompt by kind, of the first few questions of each."""
    encoder, prompts = Encoder(load(recipe.model.base, device="cpu")[1]), recipe_prompts(recipe)
    found: dict[str, float] = {}
    for kind in (*KINDS, PLAIN):
        some = [sample for sample in test if kind_of(sample) == kind][:MEASURED]
        counts = [int((encoder.encode(make_request(s, test, prompts, recipe.media)).types_T > 0).sum()) for s in some]
        if counts:
            found[kind] = fmean(counts)
    return found


# ---- results ----------------------------------------------------------------------------------------------------


def write_results(bench: Bench) -> Path:
    """`OUT/study.json` of the seeds that both arms have finished."""
    done = min(len(seeds_done(bench.out, arm)) for arm in ARMS)
    names = [f"{arm}/seed-{seed}" for seed in range(done) for arm in ARMS]
    rows = {name: cell_row(bench.out, name) for name in names}
    arms = {arm: [rows[f"{arm}/seed-{seed}"] for seed in range(done)] for arm in ARMS}
    results = {"rows": rows, "contrasts": contrasts_of(arms), "sft_steps": bench.recipe.sft.steps}
    return write_study(replace(bench, seeds=done), names, results)


def contrasts_of(arms: Mapping[str, Sequence[Row]]) -> list[Row]:
    """What the study compares."""

    def of(arm: str, stage: str, kind: str) -> list[float]:
        return [accuracy(row[stage], kind) for row in arms[arm]]

    found = [
        contrast_row(TOOLS, NONE, kind, "headline", paired(of(TOOLS, "rl", kind), of(NONE, "rl", kind)))
        for kind in kinds_of(arms[TOOLS])
    ]
    return found + [
        contrast_row(
            f"{arm}, after RL", f"{arm}, after SFT", MEAN, "headline", paired(of(arm, "rl", MEAN), of(arm, "sft", MEAN))
        )
        for arm in ARMS
    ]


def accuracy(stage: Mapping[str, Any], kind: str) -> float:
    """0–1. kind: one of them, the plain world, or the mean of the kinds that need a tool."""
    values: Mapping[str, float] = stage["accuracy"]
    return fmean(value for k, value in values.items() if k != PLAIN) if kind == MEAN else values[kind]
