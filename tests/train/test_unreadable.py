"""Media that are lost while a run goes on: it stops, keeps what it did, and goes on when they are back."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch

from onethinker.train import checkpoint, experience
from onethinker.train.parallel import SINGLE_PROCESS
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft
from onethinker.train.trackers import Metrics
from onethinker.train.unreadable import NoStepError, Unreadable
from onethinker.util.runs import RunError
from tests.train.runs import assert_same, digest, lasting
from tests.train.two import lucky_roll_out


@pytest.mark.parametrize("run", [run_sft, run_rl])
def test_media_lost_under_way_stop_a_run_which_loses_nothing(run, world, tiny, tmp_path, monkeypatch):
    """It is saved as it was before the step that they were to be in, and is to the bit what it would have been."""
    torch.set_num_threads(1)
    monkeypatch.setattr(experience, "roll_out", lucky_roll_out)
    root = tmp_path / "data"
    shutil.copytree(world.root, root)
    samples = replace(world, root=root)
    recipe = tiny("sft.steps=3", "sft.batch=4", "rl.steps=3", "rl.prompts=3", "lora.rank=2", "lora.dropout=0.1")
    append = Metrics.append

    def losing(self, row):
        append(self, row)
        if row["step"] == 2:
            root.rename(tmp_path / "away")

    with monkeypatch.context() as patched:
        patched.setattr(Metrics, "append", losing)
        with pytest.raises(RunError, match=r"more than the 1 of \d+ .*\n(.*\n)+.*goes on after step 2"):
            run(recipe, samples, tmp_path / "run")
    assert [p.name for p in checkpoint.folders(tmp_path / "run")] == ["step-000002"]
    assert len(lasting(tmp_path / "run")) == 2
    (tmp_path / "away").rename(root)
    cut, whole = run(recipe, samples, tmp_path / "run"), run(recipe, samples, tmp_path / "whole")
    assert digest(cut) == digest(whole)
    assert_same(*(checkpoint.load_state(folder) | {"seconds": 0} for folder in (cut, whole)))
    assert lasting(tmp_path / "run") == lasting(tmp_path / "whole")


def test_each_is_counted_whenever_met_named_once_and_allowed_by_share(tmp_path, capsys):
    unreadable = Unreadable("RL", tmp_path, 0.05, 50, SINGLE_PROCESS)
    assert [unreadable.note(step, {"a": "gone"}) for step in range(3)] == [1, 1, 1]
    assert unreadable.note(3, {"b": "torn"}, gone=2) == 3 and unreadable.times == 6
    assert capsys.readouterr().err.count("RL goes without sample") == 2
    told = r"met 3 samples .* the 2 of 50 that data.max_unreadable=0.05 allows:\n  a: gone\n  b: torn\n  c: lost\nmend"
    with pytest.raises(NoStepError, match=told):
        unreadable.note(4, {"c": "lost"})
    assert unreadable.times == 6, "that step is not made"
    rows = [json.loads(line) for line in (tmp_path / "unreadable.jsonl").read_text().splitlines()]
    assert [(row["step"], row["id"]) for row in rows] == [(0, "a"), (3, "b"), (4, "c")]
    with pytest.raises(NoStepError, match=r"and 1 more, which .*unreadable.jsonl names"):
        unreadable.note(5, {"d": "lost"})


def test_a_share_of_0_allows_none_and_any_other_one(tmp_path):
    with pytest.raises(NoStepError, match="the 0 of 50"):
        Unreadable("RL", tmp_path, 0, 50, SINGLE_PROCESS).note(0, {"a": "gone"})
    assert Unreadable("RL", tmp_path, 0.001, 50, SINGLE_PROCESS).note(0, {"a": "gone"}) == 1
