"""A run of two processes beside the same run of one: losses, EMA state and weights, and the largest difference.

    python -m benchmarks.processes --model runs/demo/sft/checkpoints/step-000450 --data runs/demo/world/train

Every run is started as a user starts it, `onethinker …` or `torchrun --nproc-per-node 2 -m onethinker …`, on the CPU.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

ONE = [sys.executable, "-m", "onethinker"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "onethinker"]
WAYS = {"one process": (ONE, "ddp"), "two, DDP": (TWO, "ddp"), "two, FSDP2": (TWO, "fsdp")}
SETTINGS = {
    "sft": ["sft.batch=8", "sft.optimizer.kind=adamw", "sft.optimizer.lr=1e-5", "sft.micro_tokens=1024"],
    "rl": ["rl.prompts=8", "rl.minibatch=4", "rl.group=4", "rl.max_tokens=64", "rl.micro_tokens=1024",
           "rl.optimizer.lr=1e-5"],
}  # fmt: skip


def run(kind: str, way: str, out: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Start one run; its log, its weights in a row, its EMA moments by task."""
    start, parallel = WAYS[way]
    keys = [*SETTINGS[kind], f"{kind}.steps={options.steps}", f"parallel={parallel}", "watch=[]"]
    command = [*start, kind, "mini", "--model", options.model, "--data", options.data, "--out", str(out)]
    command += ["--limit", "200", "--device", "cpu", *(word for key in keys for word in ("--set", key))]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
    folder = sorted((out / "checkpoints").glob("step-*"))[-1]
    weights = load_file(folder / "model.safetensors")
    state = torch.load(folder / "trainer.pt", weights_only=False)
    return {
        "log": [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()],
        "weights": torch.cat([weights[name].flatten() for name in sorted(weights)]),
        "moments": state.get("algorithm", {}).get("moments", {}),
    }


def line(kind: str, way: str, found: dict[str, Any], peer: dict[str, Any]) -> str:
    """A row of the table. Differences are absolute, the largest over steps, tasks or weights."""
    losses = " ".join(f"{row['loss']:+.6f}" for row in found["log"])
    loss = max(abs(a["loss"] - b["loss"]) for a, b in zip(found["log"], peer["log"], strict=True))
    pairs = [(found["moments"][task], moments) for task, moments in peer["moments"].items()]
    moment = max((abs(a - b) for ours, theirs in pairs for a, b in zip(ours, theirs, strict=True)), default=0.0)
    moments = " ".join(f"{task} {m1:.6f}/{m2:.6f}" for task, (m1, m2) in list(found["moments"].items())[:2]) or "–"
    weight = float((found["weights"] - peer["weights"]).abs().max())
    return f"| {kind.upper()}, {way} | {losses} | {moments} | {loss:.1e} | {moment:.1e} | {weight:.1e} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="where the runs start from")
    parser.add_argument("--data", required=True, help="training samples with worked answers")
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    print("| run | loss of each step | EMA moments m1/m2, first two tasks | Δ loss | Δ moment | Δ weight |")
    print("|---|---|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in SETTINGS:
            peer = None
            for number, way in enumerate(WAYS):
                found = run(kind, way, Path(folder) / f"{kind}-{number}", options)
                peer = peer or found
                print(line(kind, way, found, peer), flush=True)


if __name__ == "__main__":
    main()
