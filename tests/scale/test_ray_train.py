"""Training in two workers of a real Ray: the losses of one process, and a killed worker changes nothing."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from onethinker.recipes.base import override
from onethinker.sample import Samples, load_samples, save_samples
from onethinker.scale.ray import train_on_ray
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.runs import RunError
from tests.train.runs import lasting
from tests.train.test_parallel import assert_same_run, weights

pytestmark = pytest.mark.slow
PATIENCE = 600.0


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'onethinker[ray]'")
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  Ray would let its workers wait for all else on the machine
    ray.init("local", num_cpus=3, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def data(world: Samples) -> Path:
    return save_samples(world, world.root / "all.jsonl")


@pytest.fixture(scope="module")
def recipe(tiny, data: Path):
    return tiny(
        f"data.train={data}", "watch=[]", "parallel=fsdp", "sft.steps=4", "sft.save_every=1", "sft.batch=3",
        "sft.optimizer.lr=1e-4", "rl.steps=2", "rl.max_tokens=128", "rl.group=4",
        "rl.save_every=1", "rl.optimizer.lr=2e-5", "rl.kl=0.02", "seed=2",
    )  # fmt: skip


def kill_a_worker(run: Path, after: int, killed: list[int]) -> None:
    """SIGKILL to one process of Ray Train once the run has logged so many steps."""
    end = time.monotonic() + PATIENCE
    log = run / "metrics.jsonl"
    while time.monotonic() < end and not killed:
        if log.exists() and log.read_bytes().count(b"\n") >= after:
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    name = (process / "cmdline").read_bytes().partition(b"\0")[0]
                except OSError:
                    continue
                if name.startswith(b"ray::RayTrainWorker") or name.startswith(b"ray::_RayTrainWorker"):
                    killed.append(int(process.name))
                    os.kill(killed[0], signal.SIGKILL)
                    break
        time.sleep(0.02)


def test_sft_with_a_killed_worker_equals_one_process(two_workers, recipe, data, tmp_path) -> None:
    run_sft(recipe, load_samples(data), tmp_path / "one")
    train_on_ray("sft", recipe, tmp_path / "two", address="local", workers=2)
    assert_same_run(tmp_path / "two", tmp_path / "one")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "killed", 2, killed))
    killer.start()
    train_on_ray("sft", recipe, tmp_path / "killed", address="local", workers=2)
    killer.join()
    assert killed
    assert lasting(tmp_path / "killed") == lasting(tmp_path / "two")
    assert (weights(tmp_path / "killed") == weights(tmp_path / "two")).all()
    assert not (tmp_path / "killed" / ".ray").exists()


def test_rl_with_a_killed_worker_equals_one_process(two_workers, recipe, data, tmp_path) -> None:
    """Of a model that can answer, so that there is something to learn."""
    able = override(recipe, ["model.base=mini-rl"])
    run_rl(able, load_samples(data), tmp_path / "one")
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(tmp_path / "killed", 1, killed))
    killer.start()
    train_on_ray("rl", able, tmp_path / "killed", address="local", workers=2)
    killer.join()
    assert killed
    assert_same_run(tmp_path / "killed", tmp_path / "one")
    assert lasting(tmp_path / "one")[0]["reward"] > 0


def test_what_a_person_must_mend_ends_it_at_once(two_workers, recipe, tmp_path) -> None:
    bad = recipe.model_copy(update={"data": recipe.data.model_copy(update={"train": str(tmp_path / "none")})})
    with pytest.raises(RunError, match="no such file or folder"):
        train_on_ray("sft", bad, tmp_path / "run", address="local", workers=2)
    assert not (tmp_path / "run").exists()
