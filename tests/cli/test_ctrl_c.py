"""Ctrl-C as a terminal sends it, to every process of the group: a step is saved, one line says so, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from onethinker.sample import Samples
from onethinker.train import checkpoint

ROOT = Path(__file__).parents[2]
SMALL = [
    "sft.steps=500", "sft.batch=2", "sft.optimizer.kind=adamw", "sft.save_every=500", "rl.steps=500", "rl.prompts=2",
    "rl.group=2", "rl.max_tokens=8", "rl.minibatch=2", "rl.save_every=500", "rl.filter_groups=false",
]  # fmt: skip
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


def interrupted(command: list[str], begun: Path, folder: Path) -> tuple[int, str, str]:
    """Start, send Ctrl-C to the whole group once a file has a line; the exit status and what was printed and told."""
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        child = subprocess.Popen(
            [sys.executable, *command], cwd=folder, stdout=out, stderr=err, start_new_session=True,
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        while child.poll() is None and not (begun.exists() and begun.stat().st_size):
            time.sleep(0.1)
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGINT)
        status = child.wait()
    return status, (folder / "out").read_text(), (folder / "err").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sft", "rl"])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_run_saves_its_step(kind: str, processes: int, world: Samples, tmp_path: Path) -> None:
    """Of two processes one speaks. torchrun's own prints a traceback that names the signal, which is not ours."""
    words = [kind, "mini", "--data", str(world.root), "--device", "cpu", "--out", str(tmp_path / "run")]
    words += [word for change in SMALL for word in ("--set", change)]
    command = [*(LAUNCHER if processes == 2 else []), "-m", "onethinker", *words]
    status, out, err = interrupted(command, tmp_path / "run" / "metrics.jsonl", tmp_path)
    (saved,) = checkpoint.folders(tmp_path / "run")
    step = int(saved.name.removeprefix("step-"))
    assert err.count(f"step {step} of 500 is saved; the same command goes on from there") == 1, err
    assert err.count("finishes this step and saves it") == 1
    if processes == 1:
        assert status == 128 + signal.SIGINT and "Traceback" not in out + err
    else:
        assert (out + err).count("Traceback") == 1 and "api.SignalException" in err.splitlines()[-1]


@pytest.mark.slow
def test_the_quick_demo_goes_on_where_it_was_stopped(tmp_path: Path) -> None:
    command = ["-m", "onethinker", "demo", "--quick", "--out", str(tmp_path / "demo")]
    status, out, err = interrupted(command, tmp_path / "demo" / "sft" / "metrics.jsonl", tmp_path)
    assert status == 128 + signal.SIGINT and "Traceback" not in out + err
    assert "is saved; the same command goes on from there" in err
    assert checkpoint.folders(tmp_path / "demo" / "sft")
