"""Where seconds and memory go between a command and the end of its first step: `sft mini` on a large set in shards.

    python -m benchmarks.startup [--folder runs/streaming] [--rows 600000]

The set is that of `benchmarks.streaming`, and is made where it is missing; beside it 64 of its rows, which are loaded.
Seconds are of the processor; memory is what is resident, of it what no file holds, at the end of each part. What a part
imports is imported once, so the order is that of need: torch, what torch's optimisers import, transformers, ours.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.streaming import make

SETTINGS = [f"--set={key}" for key in ("sft.steps=1", "sft.batch=4", "watch=[]")]

QWEN = "transformers.models.qwen3_vl"
IMPORTED = {
    "Python, NumPy": ["numpy"],
    "torch": ["torch"],
    "torch._dynamo, for torch.optim and torchvision": ["torch._dynamo"],
    "torchvision, transformers, Qwen3-VL": ["torchvision", f"{QWEN}.modeling_qwen3_vl", f"{QWEN}.processing_qwen3_vl"],
    "PyArrow, PyAV, OpenCV": ["pyarrow.parquet", "av", "cv2"],
}
"""What training needs of others, in the order of need."""


def resident() -> tuple[float, float]:
    """(what no file holds, all) of this process in MB. Linux alone tells."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["RssAnon"].split()[0]) / 1024, int(lines["VmRSS"].split()[0]) / 1024


def child(words: list[str]) -> None:
    """The command with the time and memory of its parts, a JSON object a line."""
    last = 0.0

    def mark(part: str) -> None:
        nonlocal last
        now = time.process_time()
        anonymous, everything = resident()
        print(json.dumps([part, now - last, anonymous, everything]), flush=True)
        last = now

    def marked(owner: Any, name: str, before: str, after: str) -> None:
        work: Callable[..., Any] = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            if before:
                mark(before)
            found = work(*args, **kwargs)
            mark(after)
            return found

        setattr(owner, name, watched)

    for part, modules in IMPORTED.items():
        for module in modules:
            import_module(module)
        mark(part)
    from onethinker.cli.app import main as command
    from onethinker.train import sft

    mark("onethinker")
    marked(sft, "prepare_model", "recipe read, set opened", "model, tokenizer")
    marked(sft.ExampleSource, "batch", "optimiser, order of the set", "first batch read and encoded")
    marked(sft.DistributedModel, "logps", "", "first pass, forward")
    marked(sft.DistributedModel, "backward", "", "backward")
    marked(sft, "update", "", "update")
    sys.argv[1:] = words
    command()


def parts(data: list[str], run: Path) -> list[list[Any]]:
    """(part, seconds, MB no file's, MB) of the command on this data."""
    words = ["sft", "mini", "--data", *data, "--out", str(run), *SETTINGS]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.startup", "--child", *words], stdout=subprocess.PIPE, text=True, check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--folder", type=Path, default=Path("runs/streaming"))
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    make(given.folder, given.rows)
    with tempfile.TemporaryDirectory() as place:
        few = parts([str(next(given.folder.glob("*.parquet"))), "--limit=64"], Path(place) / "few")
        whole = parts([str(given.folder)], Path(place) / "whole")
    print(f"| part | s, 64 rows | s, {given.rows:,} | MB no file's | MB, 64 rows | MB, {given.rows:,} |")
    print("|---|---:|---:|---:|---:|---:|")
    for a, b in zip(few, whole, strict=True):
        print(f"| {a[0]} | {a[1]:.2f} | {b[1]:.2f} | {b[2]:,.0f} | {a[3]:,.0f} | {b[3]:,.0f} |")
    print(f"| in all | {sum(r[1] for r in few):.1f} | {sum(r[1] for r in whole):.1f} | | | |")


if __name__ == "__main__":
    main()
