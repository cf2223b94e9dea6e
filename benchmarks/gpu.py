"""One script for a GPU: what could not be measured on a CPU, in at most eight minutes on one card.

    python -m benchmarks.gpu --out DIR          # or with $OUT set; on a machine with one CUDA GPU
    python -m benchmarks.gpu --dry-run --out DIR   # the same parts on the CPU at toy sizes, to see that they run

Each part is a process of its own with a limit of its own, so that a failure or a hang costs that part alone, and writes
each number as soon as it has it. DIR/gpu.json and DIR/gpu.md are written anew after every part. Parts:

- machine: FLOP/s of a product in bfloat16, float32 and TF32; bytes a second of memory.
- precision: log-probabilities and gradients in bfloat16 beside float32, of the 300M shape.
- attention: a group's prompt shared by its answers, by FlexAttention and by slices, beside plain rows: equality,
  seconds forward and backward, memory, at 1k, 4k and 16k prompt tokens and 8 answers.
- sft, rl: a step of the published 2B's shape: tokens a second, share of the peak FLOP/s, memory beside `plan`'s.
- nccl: collectives and FSDP2 with one process.
- trl: one RL step of the small model beside TRL's GRPOTrainer, where it is installed.
- mini: the demo's RL at full speed, on a world made for it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.child import Measured, run

LIMITS = {
    "machine": 40, "precision": 50, "attention": 100, "sft": 60, "rl": 80, "nccl": 40, "trl": 60, "mini": 80,
}  # fmt: skip
"""Seconds that a part may take; what one leaves is not given to another."""
TOTAL = 480
"""Seconds of all. A part that would not have half of its own left is not begun."""


def run_parts(parts: Sequence[str], out: Path, *, dry: bool, total: float = TOTAL) -> dict[str, Any]:
    """Run the parts one after the other and write what they measured after each."""
    out.mkdir(parents=True, exist_ok=True)
    began, told = time.monotonic(), {}
    for part in parts:
        left = total - (time.monotonic() - began)
        limit = LIMITS[part] if dry else min(LIMITS[part], left)
        if limit < LIMITS[part] / 2:
            told[part] = {"problem": f"not begun: {left:.0f} s were left of {total:g}", "rows": []}
            continue
        rows = out / f"{part}.jsonl"
        rows.unlink(missing_ok=True)
        command = [sys.executable, "-m", "benchmarks.gpu", "--part", part, "--out", str(rows)]
        done = run(command + ["--dry-run"] * dry, limit=limit * (10 if dry else 1))
        told[part] = _told(done, rows)
        (out / f"{part}.log").write_text(done.output)
        (out / "gpu.json").write_text(json.dumps({"dry_run": dry, "parts": told}, indent=1))
        (out / "gpu.md").write_text(markdown(told, dry))
        print(f"{part}: {len(told[part]['rows'])} rows in {done.seconds:.0f} s {done.problem}", flush=True)
    return told


def _told(done: Measured, rows: Path) -> dict[str, Any]:
    """What a part wrote before it ended, however it ended."""
    found = []
    for line in rows.read_text().splitlines() if rows.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:  # the line that a killed part was writing
            continue
    return {"problem": done.problem, "seconds": done.seconds, "rows": found}


def markdown(told: dict[str, Any], dry: bool) -> str:
    """A table a part."""
    lines = ["# On a GPU" if not dry else "# Dry run on a CPU, toy sizes: that it runs, not how fast", ""]
    for part, found in told.items():
        lines += [f"## {part}", ""]
        if found["problem"]:
            lines += [f"Ended early: {found['problem']}", ""]
        for kind in dict.fromkeys(tuple(row) for row in found["rows"]):
            lines += ["| " + " | ".join(kind) + " |", "|---" * len(kind) + "|"]
            same = (row for row in found["rows"] if tuple(row) == kind)
            lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in same] + [""]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _run_part(part: str, rows: Path, dry: bool) -> None:
    """In the child."""
    from benchmarks.gpu_parts import PARTS
    from benchmarks.gpu_work import DRY, FULL

    def tell(**row: Any) -> None:
        with rows.open("a") as file:
            file.write(json.dumps(row) + "\n")

    PARTS[part](DRY if dry else FULL, tell)


def has_card() -> bool:
    import torch

    return torch.cuda.is_available()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(os.environ.get("OUT", "runs/gpu")))
    parser.add_argument("--parts", nargs="+", choices=LIMITS, default=list(LIMITS))
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--part", choices=LIMITS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        _run_part(given.part, given.out, given.dry_run)
        return
    if not given.dry_run and not has_card():
        parser.error("no CUDA card that torch can use is here; --dry-run runs the parts on the CPU at toy sizes")
    told = run_parts(given.parts, given.out, dry=given.dry_run)
    print(given.out / "gpu.md")
    failed = [part for part, found in told.items() if found["problem"]]
    sys.exit(f"ended early: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
