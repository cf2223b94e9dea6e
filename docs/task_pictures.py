"""Draws what a right answer to each task looks like, of a world's questions: `python docs/task_pictures.py`.

Writes docs/images/tasks/NAME.png, and NAME's question and answer into docs/images/tasks/tasks.json, of which
`docs/build.py` makes the tasks' pages.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from onethinker.data.worlds import build_world, tasks_named
from onethinker.media import MediaBudget, is_clip, open_clip, open_image, probe
from onethinker.sample import Sample, Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.segment import make_segmenter
from onethinker.segment.answers import masks_of
from onethinker.tasks import TASKS, get_task

FOLDER = Path(__file__).parent / "images" / "tasks"
SIDE, FRAMES, GAP = 320, 4, 8


def main() -> None:
    """One question a task, of a world with all of them."""
    told = {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    names = tasks_named("published,extra")
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(Path(folder) / "w", 1, seed=11, tasks=names, validation=1, test=6 * len(names), workers=1)
        samples = load_samples(world / "test")
        for name in TASKS:
            asked = next((s for s in samples.of_task(name) if get_task(name).best(s)), None)
            if asked is None:
                continue
            answer = get_task(name).best(asked)
            drawn(asked, str(answer), samples).quantize(160).save(FOLDER / f"{name}.png", optimize=True)
            told[name] = {"question": asked.question, "options": list(asked.options), "answer": answer,
                          "media": [Path(medium).suffix for medium in asked.media]}  # fmt: skip
    text = json.dumps(told, indent=1, ensure_ascii=False) + "\n"
    (FOLDER / "tasks.json").write_text(text, encoding="utf-8")
    print(f"{FOLDER}: {len(told)} of {len(TASKS)} tasks")


def drawn(sample: Sample, text: str, samples: Samples) -> Image.Image:
    """The answer on the picture, or on frames of the clip side by side."""
    task, answer = get_task(sample.task), read_answer(f"<think></think><answer>{text}</answer>", "stop")
    frames, seconds = list[Image.Image](), list[float]()
    for file in sample.paths(samples.root):
        if is_clip(file):
            times = np.linspace(0, probe(file).duration, FRAMES, endpoint=False)
            clip = open_clip(file, MediaBudget(), times=[float(second) for second in np.unique(times.round())])
            frames += [Image.fromarray(frame) for frame in clip.frames]
            seconds += [float(second) for second in clip.times]
        else:
            frames.append(open_image(file))
            seconds.append(0.0)
    masks = []
    if task.masks and frames:
        value = task.read(sample, answer).value
        masks = masks_of(make_segmenter("grabcut"), sample, sample.paths(samples.root)[0], value, seconds)
    pictures = task.draw(replace(sample, question="", truth=""), answer, frames, seconds, masks)
    side = SIDE if len(pictures) == 1 else SIDE * 3 // 4
    made = [p.resize((round(p.width * side / p.height), side), Image.Resampling.LANCZOS) for p in pictures]
    sheet = Image.new("RGB", (sum(p.width for p in made) + GAP * (len(made) - 1), side), "white")
    left = 0
    for picture in made:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP
    return sheet


if __name__ == "__main__":
    main()
