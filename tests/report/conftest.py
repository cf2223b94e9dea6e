"""A tiny run folder, written by hand: what a report reads is files, whoever wrote them."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from onethinker.media import write_clip, write_image
from onethinker.sample import Sample, load_samples, save_samples
from onethinker.sample.answer import read_answer
from onethinker.scoring.results import samples_digest, score_row
from onethinker.tasks import get_task

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&\u202e</textarea></style>"


def number(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def row_of(sample, response, index=0, decoding="greedy", settings="g"):
    score = get_task(sample.task).score(sample, read_answer(response))
    return {
        "id": sample.id, "task": sample.task, "index": index, "response": response, "finish": "stop", "error": "",
        "settings": settings, "content": f"c-{sample.id}", "decoding": decoding, "tokens": 9, "lenient": None,
        **score_row(score),
    }  # fmt: skip


def entry(title, headline, value, sampled=None):
    return {
        "title": title, "questions": 4, "n": 3, "errors": 1, "missing": 0, "headline": headline, "truncated": 1,
        "status": {"ok": 2, "no_answer": 0, "malformed": 0, "truncated": 1, "error": 1},
        "metrics": {headline: number(value, value - 0.1, value + 0.1)}, "accuracy": number(value),
        "lenient": {"needed": 1, "value": value + 0.05}, "seconds": 0.5, "tokens": 30.0, "prompt_tokens": 9.0,
        "sampled": sampled and {"questions": 4, "answers": 8, "errors": 0, "reward": number(sampled),
                                "accuracy": number(sampled / 2)},
    }  # fmt: skip


def write_evaluation(folder, samples, rows, values, sampled=None, data=""):
    folder.mkdir(parents=True)
    digest = samples_digest(samples)
    titles = {"multiple_choice": ("Multiple choice", "accuracy"), "tracking": ("Tracking", "AO"),
              "ocr": ("Text recognition", "1-WER")}  # fmt: skip
    summary = {
        "model": f"model-{folder.name}", "engine": "local:abc", "seed": 0, "at": "2026-01-01T00:00:00Z",
        "data": {"path": data, "media_root": str(samples.root), "digest": digest, "n": len(samples)},
        "prompts": {"name": "short", "digest": "d"}, "metric_profile": "official", "reward_profile": "released",
        "settings": {"greedy": "g", "sampled": "s"}, "segmenter": None,
        "config": {"max_tokens": 64, "sampled": 2, "temperature": 1.0},
        "questions": 12, "n": 9, "errors": 3, "missing": 0,
        "tasks": {task: entry(*titles[task], value, sampled) for task, value in zip(titles, values)},
        "mean": {"headline": number(sum(values) / 3, 0.1, 0.9), "sampled_reward": number(sampled)},
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "questions.json").write_text(json.dumps({s.id: f"c-{s.id}" for s in samples}))
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def data(tmp_path) -> Path:
    """Three questions: a picture, a clip, and one whose words are hostile."""
    return write_data(tmp_path / "data")


@pytest.fixture
def run_folder(tmp_path, data) -> Path:
    """Evaluations before and after RL and a control, both stages' metrics, rollouts and the stages' times."""
    return write_run(tmp_path / "demo", data)


@pytest.fixture(scope="session")
def kept_run(tmp_path_factory) -> Path:
    """As `run_folder`, for tests that change nothing of it."""
    folder = tmp_path_factory.mktemp("kept")
    return write_run(folder / "demo", write_data(folder / "data"))


def write_data(folder) -> Path:
    folder.mkdir()
    write_image(folder / "a.png", np.full((32, 48, 3), 180, np.uint8))
    write_clip(folder / "b.mp4", np.full((12, 32, 32, 3), 90, np.uint8), 2.0)
    track = json.dumps({"boxes": {str(k): [100, 100, 400, 400] for k in range(1, 7)}})
    samples = [
        Sample("m", "multiple_choice", "image", "<image>What colour?", "A", ("A. grey", "B. red"), ("a.png",)),
        Sample("t", "tracking", "video", "follow it", track, media=("b.mp4",)),
        Sample(f"o{HOSTILE}", "ocr", "image", f"read {HOSTILE}", HOSTILE, media=("a.png",)),
    ]
    save_samples(samples, folder / "samples.jsonl")
    return folder


def write_run(folder, data) -> Path:
    samples = load_samples(data)
    wrong = [row_of(s, f"<think>{HOSTILE}</think><answer>{HOSTILE}x</answer>") for s in samples]
    right = [row_of(s, f"<think>sure {HOSTILE}</think><answer>{s.truth}</answer>") for s in samples]
    stray = [row_of(samples[0], "other model", settings="another")]
    write_evaluation(folder / "eval" / "before", samples, wrong, [0.1, 0.2, 0.3], 0.6, str(data))
    write_evaluation(folder / "eval" / "rl", samples, [*stray, *wrong[:1], *right], [0.5, 0.6, 0.7], 1.2, str(data))
    write_evaluation(folder / "eval" / "control-lr-0", samples, wrong, [0.2, 0.2, 0.2], 0.7, str(data))
    config = {"kind": "rl", "recipe": {"name": "mini", "seed": 3, "prompts": "short", "model": {"base": "mini"},
              "sft": {"batch": 8}, "rl": {"prompts": 4, "group": 2, "algorithm": "ema_grpo"}}}  # fmt: skip
    for stage in ("sft", "rl"):
        (folder / stage).mkdir()
        (folder / stage / "config.json").write_text(json.dumps(config))
        with (folder / stage / "metrics.jsonl").open("w") as out:
            for k in range(1, 21):
                values = {"loss": 4 / k} if stage == "sft" else {"reward": 0.5 + k / 40, "kl": k / 1000, "length": 50}
                if stage == "rl":
                    values |= {"reward/ocr": None if k < 3 else 0.1 * k, "ema_std/ocr": 0.3, "reward/odd": 0.2}
                out.write(json.dumps({"step": k, "stage": stage, "seconds": 2.0 * k, **values}) + "\n")
    (folder / "rl" / "rollouts").mkdir()
    for k in (1, 2):
        table = pa.table({"step": [k] * 4, "status": ["ok", "ok", "ok", "truncated"]})
        pq.write_table(table, folder / "rl" / "rollouts" / f"step-{k:06d}.parquet")
    stages = [("sft", 60.0, 900.0), ("sft", 60.0, 950.0), ("rl", 30.0, 1200.0)]
    rows = [json.dumps({"stage": s, "seconds": t, "peak_mb": m}) for s, t, m in stages]
    (folder / "stages.jsonl").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def hostile() -> str:
    return HOSTILE
