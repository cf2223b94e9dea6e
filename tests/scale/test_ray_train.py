"""Training in two workers of a real Ray: the losses of one process, and a killed worker changes nothing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from onethinker.recipes.base import override
from onethinker.sample import Samples, load_samples, save_samples
from onethinker.scale.ray import train_on_ray
from onethinker.train import checkpoint
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util.runs import RunError
from tests.train.runs import digest, lasting
from tests.train.test_parallel import assert_same_run, weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def two_workers(start_ray) -> None:
    start_ray(3)  # one for what places the two


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


@contextmanager
def killing(run: Path, after: int) -> Iterator[list[int]]:
    """SIGKILL to one process of Ray Train once the run has logged so many steps; yields the killed one's id."""
    killed: list[int] = []
    ended = threading.Event()

    def kill() -> None:
        log = run / "metrics.jsonl"
        while not killed and not ended.wait(0.02):
            if log.exists() and log.read_bytes().count(b"\n") >= after:
                killed.extend(workers()[:1])
                for process in killed:
                    os.kill(process, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        ended.set()
        killer.join()


def workers() -> list[int]:
    """The processes that train."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes().partition(b"\0")[0]
        except OSError:  # it has ended
            continue
        if title.startswith(b"ray::") and b"RayTrainWorker" in title:
            found.append(int(process.name))
    return found


def test_sft_with_a_killed_worker_equals_one_process(two_workers, recipe, data, tmp_path) -> None:
    """And its checkpoints go elsewhere too, from where one process goes on."""
    run_sft(recipe, load_samples(data), tmp_path / "one")
    train_on_ray("sft", recipe, tmp_path / "two", address="local", workers=2)
    assert_same_run(tmp_path / "two", tmp_path / "one")
    copied = recipe.model_copy(update={"checkpoints": f"file://{tmp_path}/elsewhere"})
    with killing(tmp_path / "killed", after=2) as killed:
        train_on_ray("sft", copied, tmp_path / "killed", address="local", workers=2)
    assert killed
    assert lasting(tmp_path / "killed") == lasting(tmp_path / "two")
    assert (weights(tmp_path / "killed") == weights(tmp_path / "two")).all()
    assert not (tmp_path / "killed" / ".ray").exists()
    fetched = run_sft(copied, load_samples(data), tmp_path / "fetched")
    assert fetched.parts[-1] == "step-000004" and digest(fetched) == digest(checkpoint.folders(tmp_path / "two")[-1])


def test_rl_with_a_killed_worker_equals_one_process(two_workers, recipe, data, tmp_path) -> None:
    """Of a model that can answer, so that there is something to learn."""
    able = override(recipe, ["model.base=mini-rl"])
    run_rl(able, load_samples(data), tmp_path / "one")
    with killing(tmp_path / "killed", after=1) as killed:
        train_on_ray("rl", able, tmp_path / "killed", address="local", workers=2)
    assert killed
    assert_same_run(tmp_path / "killed", tmp_path / "one")
    assert lasting(tmp_path / "one")[0]["reward"] > 0


def test_what_a_person_must_mend_ends_it_at_once(two_workers, recipe, tmp_path) -> None:
    bad = recipe.model_copy(update={"data": recipe.data.model_copy(update={"train": str(tmp_path / "none")})})
    with pytest.raises(RunError, match="no such file or folder"):
        train_on_ray("sft", bad, tmp_path / "run", address="local", workers=2)
    assert not (tmp_path / "run").exists()
