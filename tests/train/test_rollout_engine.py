"""Which engines may answer in training."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from onethinker.engines.base import EngineError
from onethinker.engines.scripted import ScriptedEngine
from onethinker.train import rl
from onethinker.train.rl import run_rl
from onethinker.train.rollout_engine import RolloutEngine


@pytest.mark.parametrize(
    ("capabilities", "said"),
    [
        ((), "scripted gives no token_ids and no logps of its answers.*set rl.engine to local or vllm"),
        (("token_ids",), "scripted gives no logps of its answers"),
    ],
)
def test_an_engine_without_tokens_or_their_probabilities_is_refused(capabilities, said):
    with pytest.raises(EngineError, match=said):
        RolloutEngine(SimpleNamespace(identity="scripted", capabilities=frozenset(capabilities)))


def test_rl_refuses_it_before_anything_is_asked(world, tiny, tmp_path, monkeypatch):
    engine = ScriptedEngine(lambda request, index: "<answer>A</answer>")
    monkeypatch.setattr(rl, "make_rollout_engine", lambda *_: RolloutEngine(engine))
    with pytest.raises(EngineError, match="which RL trains on"):
        run_rl(tiny(), world, tmp_path / "run")
    assert engine.asked == [] and not (tmp_path / "run" / "metrics.jsonl").exists()
