"""The RL loop: on policy at step 0, held to its reference, seeing both images and clips, and resumable to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from onethinker.models.load import ModelError, load, weights_digest
from onethinker.sample import Samples
from onethinker.sample.answer import Status
from onethinker.scoring.rollout import roll_out
from onethinker.tasks.base import Score
from onethinker.train import checkpoint, experience
from onethinker.train.advantage import ALGORITHMS
from onethinker.train.algorithms.grpo import GRPO
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.util import files
from tests.amount import thinned
from tests.train.runs import assert_same, digest, lasting, rows


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def rewarded(monkeypatch):
    """A model that knows nothing earns nothing: give every answer a reward that follows from its tokens."""

    def scored(rollout):
        accuracy = sum(rollout.completion.token_ids) % 7 / 6
        return replace(rollout, score=Score(Status.OK, accuracy=accuracy, format=1, components={"luck": accuracy}))

    def wrapped(*args, **kwargs):
        return ((position, [scored(r) for r in rollouts]) for position, rollouts in roll_out(*args, **kwargs))

    monkeypatch.setattr(experience, "roll_out", wrapped)


@pytest.fixture(scope="module")
def stills(world) -> Samples:
    return replace(world, items=tuple(s for s in world if s.modality == "image")[:6])


@pytest.fixture(scope="module")
def clips(world) -> Samples:
    return replace(world, items=tuple(s for s in world if s.modality == "video")[:6])


def visual(folder: Path | None) -> torch.Tensor:
    """The tower's first weights, those of a checkpoint or of the start."""
    model, _ = load(str(folder) if folder else "mini", device="cpu")
    return model.model.visual.patch_embed.proj.weight.detach()


def test_first_step_is_on_policy_and_at_the_reference(world, tiny, tmp_path):
    """Sampling and training compute the same log-probabilities: the ratio is 1, and the KL to the start 0."""
    recipe = tiny("rl.steps=1", "rl.kl=0.01", "rl.prompts=6", "rl.minibatch=6", "rl.temperature=0.8")
    out = tmp_path / "run"
    final = run_rl(recipe, world, out)
    (row,) = rows(out)
    assert row["ratio"] == pytest.approx(1.0, abs=1e-4)
    assert 0 <= row["kl"] < 1e-9
    assert row["clip_fraction"] == 0
    assert row["groups"] == 6 and row["grad_norm"] > 0 and row["entropy"] > 5
    table = pq.read_table(out / "rollouts" / "step-000001.parquet").to_pylist()
    assert len(table) == 18
    by_id: dict[str, list] = {}
    for line in table:
        by_id.setdefault(line["id"], []).append(line)
        assert line["reward"] == pytest.approx(0.9 * line["accuracy"] + 0.1)
        assert line["components"] == [{"name": "luck", "value": line["accuracy"]}]
        assert line["step"] == 1 and line["question"] and line["truth"] and line["tokens"] <= 12
    assert {s.modality for s in world if s.id in by_id} == {"image", "video"}
    for group in by_id.values():
        assert sum(line["advantage"] for line in group) == pytest.approx(0, abs=1e-6)
        assert [line["index"] for line in group] == [0, 1, 2]
    assert digest(final) != weights_digest(load("mini", device="cpu", seed=recipe.seed)[0])


@pytest.mark.parametrize(
    ("kind", "frozen"),
    thinned([(kind, frozen) for kind in ("stills", "clips") for frozen in (False, True)]),
)
def test_the_vision_tower_learns_from_images_and_from_clips(kind, frozen, request, tiny, tmp_path):
    """A training forward that drops the pixels of one kind would still run, and leave the tower as it was."""
    recipe = tiny("rl.steps=1", "rl.prompts=2", "rl.kl=0", f"rl.freeze_vision={frozen}", "rl.optimizer.weight_decay=0")
    final = run_rl(recipe, request.getfixturevalue(kind), tmp_path / "run")
    assert torch.equal(visual(final), visual(None)) == frozen


def test_an_estimators_own_numbers_are_logged_beside_the_trainers(world, tiny, tmp_path, monkeypatch):
    class Own(GRPO):
        def stats(self):
            return {"reward": 99.0, "loss": 99.0, "own/share": 0.5}

    monkeypatch.setitem(ALGORITHMS, "own", Own)
    run_rl(tiny("rl.steps=1", "rl.prompts=2", "rl.algorithm=own"), world, tmp_path / "run")
    (row,) = rows(tmp_path / "run")
    assert row["own/share"] == 0.5 and row["reward"] < 2 and row["loss"] < 2


@pytest.mark.parametrize("run", [run_rl, run_sft])
def test_an_attention_that_shares_no_prefixes_is_refused_before_a_folder_is_made(run, world, tiny, tmp_path):
    with pytest.raises(ModelError, match="'flash_attention_2' cannot share prefixes"):
        run(tiny("model.attention=flash_attention_2"), world, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_rate_0_leaves_every_bit(world, tiny, tmp_path):
    recipe = tiny("rl.steps=1", "rl.optimizer.lr=0", "rl.optimizer.matrix_lr=0", "rl.optimizer.weight_decay=0.1")
    final = run_rl(recipe, world, tmp_path / "run")
    assert digest(final) == weights_digest(load("mini", device="cpu", seed=recipe.seed)[0])


@pytest.mark.parametrize(
    "changes",
    [
        ("rl.kl=0.02", "rl.minibatch=2", "rl.micro_tokens=300"),
        pytest.param(("rl.sampler=curriculum", "rl.algorithm=mt_grpo"), marks=pytest.mark.slow),
        pytest.param(("lora.rank=2", "rl.kl=0.02"), marks=pytest.mark.slow),
    ],
)
def test_resumed_equals_uninterrupted(changes, world, tiny, tmp_path):
    recipe = tiny("rl.steps=2", "rl.prompts=3", *changes)
    whole = run_rl(recipe, world, tmp_path / "whole")
    run_rl(recipe, world, tmp_path / "cut", stop_after=1)
    cut = run_rl(recipe, world, tmp_path / "cut")
    assert digest(cut) == digest(whole)
    assert_same(*(checkpoint.load_state(folder) | {"seconds": 0} for folder in (cut, whole)))
    assert lasting(tmp_path / "cut") == lasting(tmp_path / "whole")
    tables = [pq.read_table(tmp_path / run / "rollouts" / "step-000002.parquet") for run in ("whole", "cut")]
    assert tables[0].drop_columns("seconds").equals(tables[1].drop_columns("seconds"))


@pytest.mark.slow
def test_adapters_after_adapters_are_held_to_their_start(world, tiny, tmp_path):
    """RL with LoRA after SFT with LoRA: the reference is the SFT model, not the model before it."""
    adapted = run_sft(tiny("lora.rank=2", "sft.steps=2", "sft.optimizer.lr=0.05"), world, tmp_path / "sft")
    changes = ("lora.rank=2", "rl.kl=0.01", "rl.steps=1", "rl.prompts=2", f"model.base={adapted}")
    run_rl(tiny(*changes), world, tmp_path / "rl")
    (row,) = rows(tmp_path / "rl")
    assert 0 <= row["kl"] < 1e-9
    assert row["ratio"] == pytest.approx(1.0, abs=1e-4)
    run_rl(tiny("rl.kl=0.01", "rl.steps=1", "rl.prompts=2", f"model.base={adapted}"), world, tmp_path / "full")
    assert rows(tmp_path / "full")[0]["kl"] < 1e-9


def test_parquet_columns_do_not_depend_on_the_step(tmp_path, tiny, stills, monkeypatch):
    """Steps without components, or in which nothing trains, can be read together with the others."""
    run_rl(tiny("rl.steps=1", "rl.prompts=2"), stills, tmp_path / "run")
    written = pq.read_schema(tmp_path / "run" / "rollouts" / "step-000001.parquet")
    flushed = []
    monkeypatch.setattr(files, "_flush", flushed.append)
    experience.write_rollouts(tmp_path / "empty.parquet", 1, experience.StepGroups(), [])
    assert len(flushed) == 2, "the file and its name, so that a power cut leaves no empty one"
    assert pq.read_schema(tmp_path / "empty.parquet").equals(written)
