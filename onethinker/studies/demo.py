"""The demonstration: a corpus of real files, SFT, EMA-GRPO, evaluation before and after, pictures and a report.

Every stage writes its own folder under the run's and resumes there, so an interrupted demo goes on where it stopped.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from onethinker.data.worlds import build_world
from onethinker.engines import make_engine
from onethinker.evaluate.run import evaluate
from onethinker.recipes import Recipe, load_recipe, override
from onethinker.report.page import write_report
from onethinker.report.terminal import print_run
from onethinker.runs import JsonLines
from onethinker.sample import Samples, load_samples
from onethinker.segment import make_segmenter
from onethinker.tasks import list_tasks
from onethinker.tasks.prompts import load_prompts
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.use import Thinker

T = TypeVar("T")

TRAIN, TEST, SEED = 9100, 520, 0
QUICK = ["sft.steps=4", "rl.steps=2", "rl.prompts=4", "rl.minibatch=4", "rl.group=4", "rl.refill_tries=0",
         "rl.max_tokens=48", "evaluate.max_tokens=48", "evaluate.sampled=2"]  # fmt: skip
PICTURED = ("spatial_grounding", "image_segmentation", "tracking", "spatial_temporal_grounding")
console = Console(stderr=True)


def run_demo(out: Path, *, controls: bool = False, quick: bool = False) -> Path:
    """Run or resume the demo in `out` and return the report's path.

    controls: also RL with learning rate 0 and more SFT for as long as RL took. quick: a few steps of everything.
    """
    recipe = load_recipe("mini", QUICK if quick else None)
    clock = _Clock(out)
    n, test = (130, 26) if quick else (TRAIN, TEST)
    world = clock("corpus", lambda: build_world(out / "world", n, SEED, test=test))
    train, held_out = load_samples(world / "train"), load_samples(world / "test")
    _measure(clock, recipe, recipe.model.base, held_out, out, "before")
    sft = clock("sft", lambda: run_sft(recipe, train, out / "sft"))
    _measure(clock, recipe, str(sft), held_out, out, "sft")
    after = override(recipe, [f"model.base={sft}"])
    rl = clock("rl", lambda: run_rl(after, train, out / "rl"))
    _measure(clock, recipe, str(rl), held_out, out, "rl")
    if controls:
        _controls(clock, after, train, held_out, out)
    clock("pictures", lambda: _pictures(recipe, str(rl), held_out, out / "answers"))
    page = clock("report", lambda: write_report(out))
    print_run(out)
    clock.summary()
    console.print(f"report: {page}\npictures: {out / 'answers'}\nask it yourself:")
    console.print(f'  onethinker ask IMAGE "question" --model {rl}', highlight=False)
    return page


def _measure(clock: _Clock, recipe: Recipe, model: str, samples: Samples, out: Path, name: str) -> None:
    def measured() -> None:
        evaluate(
            samples,
            make_engine(model, rows=recipe.evaluate.batch),
            out / "eval" / name,
            config=recipe.evaluate,
            prompts=load_prompts(recipe.prompts),
            model=model,
            data=str(samples.root),
            seed=recipe.seed,
            segmenter=make_segmenter("grabcut"),
        )

    clock(f"eval/{name}", measured)


def _controls(clock: _Clock, recipe: Recipe, train: Samples, held_out: Samples, out: Path) -> None:
    """What RL's gain must be told from: its own loop without learning, and its time spent on more SFT."""
    still = override(recipe, ["rl.optimizer.lr=0"])
    model = clock("control-lr0", lambda: run_rl(still, train, out / "control-lr0"))
    _measure(clock, recipe, str(model), held_out, out, "control-lr-0")
    spent = JsonLines(out / "rl" / "metrics.jsonl").rows()[-1]["seconds"]
    step = JsonLines(out / "sft" / "metrics.jsonl").rows()[-1]
    steps = max(1, round(spent / (step["seconds"] / step["step"])))
    more = override(recipe, [f"sft.steps={steps}", f"seed={recipe.seed + 1}"])
    model = clock("control-more-sft", lambda: run_sft(more, train, out / "control-more-sft"))
    _measure(clock, recipe, str(model), held_out, out, "control-more-sft")


def _pictures(recipe: Recipe, model: str, samples: Samples, folder: Path) -> None:
    """One question of each pictured task, answered and drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    budget = recipe.evaluate.budget
    thinker = Thinker(make_engine(model), load_prompts(recipe.prompts), budget, recipe.evaluate.max_tokens)
    for task in (t for t in list_tasks() if t in PICTURED):
        sample = samples.of_task(task)[0]
        thought = thinker.ask(sample.paths(samples.root), sample.question, task=task, options=sample.options)
        thought.save(folder / f"{task}{'.mp4' if sample.modality == 'video' else '.png'}")
        console.print(f"[bold]{task}[/] {sample.question}\n  {thought.response}", highlight=False)


class _Clock:
    """Runs the stages, says what goes on, and keeps their seconds; a resumed stage's seconds add up."""

    def __init__(self, out: Path) -> None:
        self.log = JsonLines(out / "stages.jsonl")

    def __call__(self, stage: str, work: Callable[[], T]) -> T:
        console.rule(f"[bold]{stage}", align="left")
        began = time.perf_counter()
        try:
            return work()
        finally:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            self.log.append({"stage": stage, "seconds": time.perf_counter() - began, "peak_mb": peak / 1024})

    def summary(self) -> None:
        """Seconds by stage, all of this folder's runs together."""
        seconds: dict[str, float] = {}
        for row in self.log.rows():
            seconds[row["stage"]] = seconds.get(row["stage"], 0.0) + row["seconds"]
        parts = " · ".join(f"{stage} {value:.0f} s" for stage, value in seconds.items())
        peak = max(row["peak_mb"] for row in self.log.rows())
        console.print(f"{parts} · in all {sum(seconds.values()) / 60:.1f} min, peak memory {peak:.0f} MB")
