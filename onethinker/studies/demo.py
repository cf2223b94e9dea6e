"""The demonstration: a model that knows its world learns from an annotator that is off, and RL on exact truth mends it.

It starts from `mini-sft`, as the paper starts from Qwen3-VL. The annotator of its corpus draws every box too far right
and marks every event half a second late; SFT copies that, and EMA-GRPO, which is paid by the exact truth, takes most of
it back. The three evaluations say by how much, task by task; the pictures show one question after SFT and after RL.

Every stage writes its own folder under the run's and resumes there, so an interrupted demo goes on where it stopped.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from onethinker.data.worlds import build_world
from onethinker.media import open_clip, open_image, write_clip, write_image
from onethinker.recipes import load_recipe, override
from onethinker.report.page import write_report
from onethinker.report.terminal import print_run
from onethinker.sample import Sample, Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.scoring.results import answers_of, read_summary
from onethinker.studies.cells import console
from onethinker.studies.stages import CONTROL_LR0, CONTROL_SFT, QUICK, Stages
from onethinker.studies.stages import controls as run_controls
from onethinker.tasks import get_task
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

BASE, ANNOTATOR = "mini-sft", "boxes=2,times=0.5"
TRAIN, TEST, SEED = 3200, 390, 0
_QUICK = [*QUICK, "evaluate.max_tokens=128"]
SETTINGS = [
    *("sft.steps=100", "sft.optimizer.lr=8e-4", "sft.optimizer.matrix_lr=1e-3", "sft.optimizer.schedule=linear"),
    *("rl.steps=40", "evaluate.sampled=0"),
]
"""A fifth of the rates that train the mini model from nothing, and down to 0: what it knows stays."""
PICTURED = (
    *("spatial_grounding", "tracking", "image_segmentation"),
    *("spatial_temporal_grounding", "video_segmentation", "temporal_grounding"),
)


def run_demo(out: Path, *, controls: bool = False, quick: bool = False) -> Path:
    """Run or resume the demo in `out` and return the report's path.

    controls: also RL with learning rate 0 and more SFT for as long as RL took. quick: a few steps of everything, which
    shows that it runs and nothing else.
    """
    recipe = load_recipe("mini", [f"model.base={BASE}", *SETTINGS, *(_QUICK if quick else [])])
    stages = Stages(out)
    n, test = (130, 26) if quick else (TRAIN, TEST)
    world = stages("corpus", lambda: build_world(out / "world", n, SEED, test=test, teacher_bias=ANNOTATOR))
    train, held_out = load_samples(world / "train"), load_samples(world / "test")
    stages.evaluate(recipe, BASE, held_out, "before")
    sft = stages("sft", lambda: run_sft(recipe, train, out / "sft"))
    stages.evaluate(recipe, str(sft), held_out, "sft")
    after = override(recipe, [f"model.base={sft}"])
    rl = stages("rl", lambda: run_rl(after, train, out / "rl"))
    stages.evaluate(recipe, str(rl), held_out, "rl")
    if controls:
        for model, name in zip(run_controls(stages, after, train), (CONTROL_LR0, CONTROL_SFT)):
            stages.evaluate(recipe, str(model), held_out, name)
    stages("pictures", lambda: _pictures(out / "eval", held_out, out / "answers"))
    page = stages("report", lambda: write_report(out))
    print_run(out)
    stages.summary()
    console.print(f"report: {page}\nthe same question after SFT and after RL: {out / 'answers'}\nask it yourself:")
    console.print(f'  onethinker ask IMAGE "question" --model {rl}', highlight=False)
    return page


def _pictures(evaluations: Path, samples: Samples, folder: Path) -> None:
    """Of each pictured task the question whose answer RL mended most, drawn after SFT on the left, after RL on the
    right."""
    folder.mkdir(parents=True, exist_ok=True)
    after_sft, after_rl = (_greedy(evaluations / name) for name in ("sft", "rl"))
    for task in PICTURED:
        asked = [s for s in samples.of_task(task) if s.id in after_sft and s.id in after_rl]
        if not asked:
            continue
        shown = max(asked, key=lambda s: after_rl[s.id]["accuracy"] - after_sft[s.id]["accuracy"])
        rows = after_sft[shown.id], after_rl[shown.id]
        _save_pair(shown, samples, [row["response"] for row in rows], folder / task)
        before, now = (row["accuracy"] for row in rows)
        console.print(f"[bold]{task}[/] {shown.question}: {before:.2f} after SFT, {now:.2f} after RL", highlight=False)


def _greedy(folder: Path) -> dict[str, Any]:
    """id of a question → the row of its greedy answer; errors are left out."""
    answers = answers_of(folder, read_summary(folder)["settings"]["greedy"])
    return {name: row for name, (row, *_) in answers.items() if row["accuracy"] is not None and not row["error"]}


def _save_pair(sample: Sample, samples: Samples, responses: list[str], file: Path) -> None:
    """Write `file` as .mp4 or .png: the drawings of the responses side by side."""
    (medium,) = sample.paths(samples.root)
    clip = sample.modality == "video"
    if clip:
        opened = open_clip(medium)
        frames, times = [Image.fromarray(frame) for frame in opened.frames], [float(t) for t in opened.times]
    else:
        frames, times = [open_image(medium)], [0.0]
    drawn = [get_task(sample.task).draw(sample, read_answer(response), frames, times) for response in responses]
    pairs = [np.concatenate([np.asarray(picture) for picture in side], axis=1) for side in zip(*drawn, strict=True)]
    if clip:
        write_clip(file.with_suffix(".mp4"), pairs, times)
    else:
        write_image(file.with_suffix(".png"), pairs[0])
