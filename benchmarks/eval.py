"""How much of an evaluation is lost outside the model, and ours beside the published script's loop.

    python -m benchmarks.eval MODEL [--questions 500] [--media small camera] [--segmenter none]

Both contenders have the same engine, weights, prompts and questions: a procedural world's, pictures and clips mixed, a
picture or clip asked about twice on average. `small` media are the world's own, 64² pixels. `camera` media are the same
scenes as files of an ordinary size: 448² pixels, photos as JPEG, clips as H.264 at 25 frames a second.

- published: the loop of tulerfeng/OneThinker `Evaluation/Eval/eval_bench.py`. Batches of 64 in the data's order; of
  each the media are decoded and prepared one after the other, all are answered, all are scored, and everything so far
  is written anew.
- ours: `onethinker eval`.

Each runs in a process of its own, the model's arithmetic in one thread, which leaves the other cores to the rest.
`model` is the time inside prefill and decoding steps; what a run takes beyond it is lost. Everything before the first
question is asked (loading the weights) is left out. `cpu` counts all threads of the process, `main` the thread that the
model runs in. Where other programs share the cores the walls are long; `main` is then the wall that a free machine
would show if nothing had to be waited for.

Measured on an idle two-core machine, published ÷ ours by wall and by `main`, and what ours lost of the wall: camera
1.84×, 2.00×, 6%; small 1.55×, 1.82×, 5%. With GrabCut's masks, on cores that other programs shared, small 1.44×, 2.97×,
29%: they take as long as so small a model and end after it. The answers were the same.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from onethinker.data.worlds import build_world
from onethinker.engines import make_engine
from onethinker.engines.base import Request, Sampling
from onethinker.engines.local import LocalEngine
from onethinker.evaluate.masks import with_mask
from onethinker.evaluate.run import evaluate
from onethinker.media import is_clip, open_clip, open_image, write_image
from onethinker.recipes import SHIPPED, trained_with
from onethinker.sample import Samples, load_samples
from onethinker.scoring.rollout import make_request, score_completions
from onethinker.segment import make_segmenter
from onethinker.tasks.prompts import load_prompts

BATCH = 64
SIDE, RATE = 448, 25
MEDIA = ("small", "camera")
CONTENDERS = ("published", "ours")
CLOCKS: dict[str, Callable[[], float]] = {
    "wall": time.perf_counter,
    "cpu": time.process_time,
    "main": time.thread_time,
}


# ---- questions --------------------------------------------------------------------------------------------------


def make_questions(folder: Path, count: int, media: str) -> Path:
    """The world's test questions; for `camera` its media are filmed anew."""
    data = build_world(folder, n=13, seed=3, test=count, validation=1) / "test"
    if media == "camera":
        for path in sorted((data / "media").iterdir()):
            _film(path)
        samples = data / "samples.jsonl"
        samples.write_text(samples.read_text(encoding="utf-8").replace(".png", ".jpg"), encoding="utf-8")
    return data


def _film(path: Path) -> None:
    if not is_clip(path):
        write_image(path.with_suffix(".jpg"), _large(np.asarray(open_image(path))))
        return
    clip = open_clip(path)
    path.unlink()
    shown = np.searchsorted(clip.times, np.arange(0, clip.duration, 1 / RATE) + 1e-6, side="right") - 1
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "20", "threads": "1"}
        stream = container.add_stream("libx264", rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        large = [_large(frame) for frame in clip.frames]
        for index in shown:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(large[index], "rgb24")))
        container.mux(stream.encode())


def _large(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


# ---- contenders -------------------------------------------------------------------------------------------------


class InModel:
    """Time inside the engine's prefill and decoding steps, by clock."""

    def __init__(self, engine: LocalEngine) -> None:
        self.seconds = dict.fromkeys(CLOCKS, 0.0)
        for name in ("_start", "_draw", "_go_on"):
            setattr(engine, name, self._timed(getattr(engine, name)))

    def _timed(self, part: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            began = read_clocks()
            try:
                return part(*args)
            finally:
                for name, now in read_clocks().items():
                    self.seconds[name] += now - began[name]

        return run


def read_clocks() -> dict[str, float]:
    return {name: clock() for name, clock in CLOCKS.items()}


def run(contender: str, model: str, data: Path, out: Path, segmenter: str) -> dict[str, Any]:
    """One contender over all questions; seconds by clock, of the run and in the model, and what it scored."""
    recipe = trained_with(model) or SHIPPED["mini"]
    engine = make_engine(model, device="cpu")
    assert isinstance(engine, LocalEngine)
    samples, prompts = load_samples(data), load_prompts(recipe.prompts)
    masks = None if segmenter == "none" else make_segmenter(segmenter)
    config = recipe.evaluate.model_copy(update={"sampled": 0})
    inside, began = InModel(engine), read_clocks()
    if contender == "ours":
        evaluate(samples, engine, out, config=config, prompts=prompts, segmenter=masks)
        rows = [json.loads(line) for line in (out / "results.jsonl").read_text(encoding="utf-8").splitlines()]
        answers = {row["id"]: row["response"] for row in rows}
    else:
        requests = [make_request(sample, samples, prompts, config.budget) for sample in samples]
        answers = published(samples, requests, engine, Sampling(max_tokens=config.max_tokens), masks, out)
    took = {name: now - began[name] for name, now in read_clocks().items()}
    return {"took": took, "model": inside.seconds, "answers": answers}


def published(
    samples: Samples, requests: list[Request], engine: LocalEngine, sampling: Sampling, masks: Any, out: Path
) -> dict[str, str]:
    """One batch at a time, in order, everything after everything else, every question's media opened for it alone."""
    engine.encoder._images.room = engine.encoder._clips.room = 0
    engine.decode_batch_size = 4 * BATCH  # of which it begins with a quarter: the whole batch at once
    results: list[dict[str, Any]] = []
    for start in range(0, len(samples), BATCH):
        batch = requests[start : start + BATCH]
        for request in batch:
            engine.encoder.encode(request)
        completions = {index: completion for index, (completion,) in engine.answer(batch, sampling)}
        for index, sample in enumerate(samples[start : start + BATCH]):
            rollout = score_completions([sample], [[completions[index]]])[0][0]
            score = rollout.score
            if masks:
                score = with_mask(sample, samples.root, rollout.answer, score, masks)
            results.append(rollout.row() | {"evidence": dict(score.evidence)})
        out.mkdir(parents=True, exist_ok=True)
        (out / "results.json").write_text(json.dumps(results, indent=2, default=float), encoding="utf-8")
    return {row["id"]: row["response"] for row in results}


# ---- table ------------------------------------------------------------------------------------------------------


def in_child(given: argparse.Namespace, contender: str, data: Path, out: Path, segmenter: str) -> dict[str, Any]:
    """`run` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.eval", given.model, "--threads", str(given.threads)]
    command += ["--child", contender, str(data), str(out), segmenter]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{contender} did not run:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def show(found: dict[str, dict[str, Any]]) -> None:
    print(f"  {'':10}{'wall':>8}{'model':>8}{'lost':>7}{'cpu':>8}{'main':>8}{'model':>8}{'lost':>7}")
    for name, row in found.items():
        took, model = row["took"], row["model"]
        lost = {clock: 1 - model[clock] / took[clock] for clock in ("wall", "main")}
        wall = f"{took['wall']:8.1f}{model['wall']:8.1f}{lost['wall']:7.0%}"
        print(f"  {name:10}{wall}{took['cpu']:8.1f}{took['main']:8.1f}{model['main']:8.1f}{lost['main']:7.0%}")
    old, new = found["published"], found["ours"]
    same = sum(new["answers"].get(name) == answer for name, answer in old["answers"].items())
    ratios = ", ".join(f"{clock} {old['took'][clock] / new['took'][clock]:.2f}×" for clock in ("wall", "main"))
    print(f"  published ÷ ours: {ratios}; {same} of {len(old['answers'])} answers the same", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a folder that the mini recipe trained")
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--media", nargs="+", choices=MEDIA, default=list(MEDIA))
    parser.add_argument("--segmenter", nargs="+", default=["none"], help="none, grabcut; masks of small media only")
    parser.add_argument("--threads", type=int, default=1, help="of the model's arithmetic")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.child:
        contender, data, out, segmenter = given.child
        print(json.dumps(run(contender, given.model, Path(data), Path(out), segmenter)))
        return
    for media in given.media:
        with tempfile.TemporaryDirectory() as folder:
            data = make_questions(Path(folder) / "world", given.questions, media)
            for segmenter in given.segmenter if media == "small" else ["none"]:
                print(f"\n{given.questions} questions on {media} media, masks: {segmenter}")
                out = Path(folder) / segmenter
                show({c: in_child(given, c, data, out / c, segmenter) for c in CONTENDERS})


if __name__ == "__main__":
    main()
