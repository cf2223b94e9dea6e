"""Does thinking that a model made itself teach? SFT on what annotation kept against SFT on the built-in teacher.

    onethinker serve mini-rl --port 8791                 # the annotator, a real server; in a terminal of its own
    python -m benchmarks.annotate_teaches --server http://127.0.0.1:8791/v1 --out runs/teaches

A world of difficulty 1, harder than what mini-rl learned on, is annotated by mini-rl. mini-sft then learns, a run a
seed, from the samples that were kept: in one arm with the thinking that was kept, in the other, on the same samples,
with the worked answers of the world's teacher, which sees a thing wrongly one time in ten. Both are asked the same
held-out questions. Intervals and p are Student's over the seeds' differences (`onethinker.studies.contrasts`). Every
stage resumes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from onethinker.corpus.annotate.run import Money, annotate
from onethinker.corpus.annotate.settings import load_settings, settings_like
from onethinker.data.worlds import build_world
from onethinker.evaluate.run import evaluate
from onethinker.recipes import SHIPPED, override
from onethinker.recipes.answering import answering_engine, asked_as
from onethinker.sample import Samples, load_samples, save_samples
from onethinker.studies.contrasts import Estimate, estimate, gain, paired
from onethinker.tasks.prompts import load_prompts
from onethinker.train.sft import run_sft

ARMS = ("self-made", "teacher")
SFT = ("sft.optimizer.lr=8e-4", "sft.optimizer.matrix_lr=1e-3", "sft.optimizer.schedule=linear", "sft.save_every=1000")
"""As the demo learns from mini-sft on."""


def pictures(split: Path) -> Path:
    """The split's questions about pictures, in a file beside it."""
    samples = load_samples(split)
    return save_samples([s for s in samples if s.modality == "image"], split / "pictures.jsonl")


def annotated(corpus: Path, server: str, out: Path, limit: int | None) -> dict[str, Any]:
    """The corpus, annotated by the server."""
    like = settings_like("mini-rl")
    settings = load_settings(
        media=like["media"], max_tokens=like["max_tokens"], clips="video", tokens_per_picture=512,
        rules={"min_words": 3},
    )  # fmt: skip
    money = Money(budget_tokens=20_000_000)
    return annotate(corpus, server, out, money, settings=settings, prompts=like["prompts"], limit=limit)


def arms(kept: Path, corpus: Path) -> dict[str, Samples]:
    """The kept samples with the thinking that was kept, and with the teacher's."""
    own = load_samples(kept)
    teacher = {sample.id: sample for sample in load_samples(corpus)}
    return {"self-made": own, "teacher": replace(own, items=tuple(teacher[sample.id] for sample in own))}


def scores(model: str, test: Samples, out: Path) -> dict[str, float]:
    """The headline metric of greedy answers, by task, and their mean."""
    recipe = asked_as(model).overridden(["evaluate.sampled=0", "evaluate.bootstrap=10"])
    engine, prompts = answering_engine(recipe), load_prompts(recipe.prompts)
    summary = evaluate(test, engine, out, config=recipe.evaluate, prompts=prompts, model=model)
    found = {task: row["metrics"][row["headline"]]["value"] for task, row in summary["tasks"].items()}
    return found | {"mean": summary["mean"]["headline"]["value"]}


def learned(arm: str, samples: Samples, seed: int, steps: int, test: Samples, out: Path) -> dict[str, float]:
    """One run of SFT and its scores."""
    words = [*SFT, "model.base=mini-sft", f"sft.steps={steps}", f"seed={seed}"]
    home = out / f"{arm}-{seed}"
    if not (home / "scores.json").exists():
        model = run_sft(override(SHIPPED["mini"], words), samples, home / "sft")
        (home / "scores.json").write_text(json.dumps(scores(str(model), test, home / "eval")), encoding="utf-8")
    return dict(json.loads((home / "scores.json").read_text(encoding="utf-8")))


def shown(found: Estimate) -> str:
    if found.low is None or found.high is None:
        return f"{100 * found.value:+.1f}"
    return f"{100 * found.value:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def print_result(start: dict[str, float], annotator: dict[str, float], runs: dict[str, list[dict[str, float]]]) -> None:
    def of(arm: str, task: str) -> Sequence[float]:
        return [run[task] for run in runs[arm]]

    print("| | mini-rl | start | self-made − start | teacher − start | self-made − teacher |")
    print("|---|---:|---:|---:|---:|---:|")
    for task in ("mean", *(task for task in start if task != "mean")):
        gains = [shown(estimate(gain(of(arm, task), [start[task]]))) for arm in ARMS]
        apart = shown(estimate(paired(of(ARMS[0], task), of(ARMS[1], task))))
        print(f"| {task} | {100 * annotator[task]:.1f} | {100 * start[task]:.1f} | {gains[0]} | {gains[1]} | {apart} |")
    difference = estimate(paired(of(ARMS[0], "mean"), of(ARMS[1], "mean")))
    print(f"p of self-made − teacher in the mean: {difference.p}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--questions", type=int, default=780, help="that are annotated")
    parser.add_argument("--test", type=int, default=390)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--limit", type=int, help="annotate only so many questions")
    parser.add_argument("--pictures", action="store_true", help="only questions about pictures, which take less time")
    asked = parser.parse_args()
    world = build_world(asked.out / "world", asked.questions, 5, 1, test=asked.test, validation=13)
    train, held_out = (pictures(world / s) if asked.pictures else world / s for s in ("train", "test"))
    told = annotated(train, asked.server, asked.out / "annotated", asked.limit)
    for row in told["table"]:
        print(f"| {row['task']} | {row['asked']} | {row['kept']} | {100 * row['yield']:.0f}% |")
    test, data = load_samples(held_out), arms(asked.out / "annotated", train)
    start, annotator = (scores(model, test, asked.out / model) for model in ("mini-sft", "mini-rl"))
    runs = {
        arm: [learned(arm, data[arm], seed, asked.steps, test, asked.out) for seed in range(asked.seeds)]
        for arm in ARMS
    }
    print_result(start, annotator, runs)


if __name__ == "__main__":
    main()
