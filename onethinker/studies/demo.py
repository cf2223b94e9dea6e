"""The demonstration: a corpus of real files, SFT, EMA-GRPO, evaluation before and after, pictures and a report.

Every stage writes its own folder under the run's and resumes there, so an interrupted demo goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path

from onethinker.data.worlds import build_world
from onethinker.inference import Model
from onethinker.recipes import Recipe, load_recipe, override
from onethinker.report.page import write_report
from onethinker.report.terminal import print_run
from onethinker.sample import Samples, load_samples
from onethinker.studies.bench import engine_of
from onethinker.studies.cells import console
from onethinker.studies.stages import CONTROL_LR0, CONTROL_SFT, QUICK, Stages
from onethinker.studies.stages import controls as run_controls
from onethinker.tasks import list_tasks
from onethinker.tasks.prompts import load_prompts
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

TRAIN, TEST, SEED = 9100, 520, 0
PICTURED = ("spatial_grounding", "image_segmentation", "tracking", "spatial_temporal_grounding")


def run_demo(out: Path, *, controls: bool = False, quick: bool = False) -> Path:
    """Run or resume the demo in `out` and return the report's path.

    controls: also RL with learning rate 0 and more SFT for as long as RL took. quick: a few steps of everything.
    """
    recipe = load_recipe("mini", [*QUICK, "evaluate.sampled=2"] if quick else None)
    stages = Stages(out)
    n, test = (130, 26) if quick else (TRAIN, TEST)
    world = stages("corpus", lambda: build_world(out / "world", n, SEED, test=test))
    train, held_out = load_samples(world / "train"), load_samples(world / "test")
    stages.evaluate(recipe, recipe.model.base, held_out, "before")
    sft = stages("sft", lambda: run_sft(recipe, train, out / "sft"))
    stages.evaluate(recipe, str(sft), held_out, "sft")
    after = override(recipe, [f"model.base={sft}"])
    rl = stages("rl", lambda: run_rl(after, train, out / "rl"))
    stages.evaluate(recipe, str(rl), held_out, "rl")
    if controls:
        for model, name in zip(run_controls(stages, after, train), (CONTROL_LR0, CONTROL_SFT)):
            stages.evaluate(recipe, str(model), held_out, name)
    stages("pictures", lambda: _pictures(recipe, str(rl), held_out, out / "answers"))
    page = stages("report", lambda: write_report(out))
    print_run(out)
    stages.summary()
    console.print(f"report: {page}\npictures: {out / 'answers'}\nask it yourself:")
    console.print(f'  onethinker ask IMAGE "question" --model {rl}', highlight=False)
    return page


def _pictures(recipe: Recipe, model: str, samples: Samples, folder: Path) -> None:
    """One question of each pictured task, answered and drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    budget = recipe.evaluate.budget
    loaded = Model(engine_of(recipe, model), load_prompts(recipe.prompts), budget, recipe.evaluate.max_tokens)
    for task in (t for t in list_tasks() if t in PICTURED):
        sample = samples.of_task(task)[0]
        result = loaded.ask(sample.paths(samples.root), sample.question, task=task, options=sample.options)
        result.save(folder / f"{task}{'.mp4' if sample.modality == 'video' else '.png'}")
        console.print(f"[bold]{task}[/] {sample.question}\n  {result.response}", highlight=False)
