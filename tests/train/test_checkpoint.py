"""Checkpoints: half-written ones are never taken, a full disk leaves the last one whole."""

from __future__ import annotations

import resource
import shutil

import pytest
import torch

from onethinker.models import mini
from onethinker.models.load import ModelError, load, weights_digest
from onethinker.models.shipped import locate
from onethinker.recipes import SHIPPED, override
from onethinker.train import checkpoint
from onethinker.train.sft import prepare_model
from onethinker.util.runs import RunError
from tests.amount import thinned


@pytest.fixture
def save(mini_model, mini_processor, tmp_path):
    optimizer = torch.optim.AdamW(mini_model.parameters(), lr=0.1)

    def write(step: int, keep: int = 2):
        state = {"seconds": 1.5 * step}
        checkpoint.Saver(tmp_path, mini_model, mini_processor, optimizer, SHIPPED["mini"], keep).save(step, state)
        return checkpoint.folders(tmp_path)[-1]

    return write


def test_what_a_kill_leaves_behind_is_no_checkpoint(save, tmp_path):
    whole = save(2)
    for name in (".step-000004.part", "..step-000004.part.part", "step-000006"):
        (tmp_path / "checkpoints" / name).mkdir()
    for name in (".step-000004.part", "..step-000004.part.part"):
        (tmp_path / "checkpoints" / name / checkpoint.STATE).write_bytes(b"half")
    assert checkpoint.folders(tmp_path) == [whole]
    assert checkpoint.folders(tmp_path / "none") == []
    assert checkpoint.folders(tmp_path) == [whole]
    assert save(4) == checkpoint.folders(tmp_path)[-1]
    assert not list((tmp_path / "checkpoints").glob("*.part"))


def test_old_ones_go(save, tmp_path):
    for step in (1, 9, 10):
        save(step)
    assert [p.name for p in checkpoint.folders(tmp_path)] == ["step-000009", "step-000010"]
    assert checkpoint.load_state(checkpoint.folders(tmp_path)[-1])["seconds"] == 15.0


@pytest.mark.parametrize("room", thinned([1 << 20, 20 << 20], 20 << 20))
def test_full_disk_keeps_the_previous(room, save, tmp_path, mini_model):
    """Files of at most `room` bytes: the weights do not fit, or they do and the optimiser's state does not."""
    first = save(1)
    before = weights_digest(load(str(first), device="cpu")[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(RunError, match=r"could not write checkpoint .*step-000002.*the previous one is whole"):
            checkpoint.Saver(
                tmp_path, mini_model, mini.processor(), torch.optim.SGD(mini_model.parameters()), SHIPPED["mini"], 2
            ).save(2, {"large": torch.zeros(room // 2)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checkpoint.folders(tmp_path) == [first]
    assert weights_digest(load(str(first), device="cpu")[0]) == before
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["step-000001"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 half of an archive", b"\x80\2."])
def test_a_state_that_is_cut_off_is_told_with_a_way_out(content, tmp_path):
    (tmp_path / checkpoint.STATE).write_bytes(content)
    with pytest.raises(
        RunError, match=rf"{checkpoint.STATE}: \w+: .*remove it: the same command then goes on from the"
    ):
        checkpoint.load_state(tmp_path)


def test_weights_that_are_cut_off_are_told_with_a_way_out_where_they_are_the_runs_own(tmp_path):
    cut = shutil.copytree(locate("mini-sft"), tmp_path / "step-000002")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:9999])
    recipe = override(SHIPPED["mini"], ["model.base=mini-sft"])
    options = {"vision": False, "projector": False, "checkpointing": False}
    with pytest.raises(RunError, match=r"step-000002 cannot be read \(cannot load model .*remove it: the same command"):
        prepare_model(recipe, str(cut), **options)
    with pytest.raises(ModelError, match=r"^cannot load model"):
        prepare_model(override(recipe, [f"model.base={cut}"]), str(cut), **options)


def test_random_states_come_back(save, mini_model):
    optimizer = torch.optim.AdamW(mini_model.parameters(), lr=0.1)
    state = checkpoint.load_state(save(1))
    expected = torch.rand(3)
    torch.manual_seed(99)
    checkpoint.restore(state, optimizer)
    assert torch.equal(torch.rand(3), expected)
