"""Truncated importance weights for answers that an engine with other arithmetic sampled."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onethinker.engines.base import Completion
from onethinker.models.forward import banned_ids
from onethinker.sample import Sample
from onethinker.sample.answer import Answer, Status
from onethinker.scoring.rollout import Rollout
from onethinker.tasks.base import Score
from onethinker.train import rl
from onethinker.train.distributed import DistributedModel
from onethinker.train.experience import ScoredGroup
from onethinker.train.mismatch import correct
from onethinker.train.parallel import SINGLE_PROCESS
from onethinker.train.rl import Policy, run_rl
from onethinker.train.rollout_engine import RolloutEngine, make_rollout_engine
from tests.train.runs import rows

SAMPLE = Sample("s", "numerical", "text", "How many?", "3")


def group(prompt, answers, logps, rewards) -> ScoredGroup:
    rollouts = [
        Rollout(
            SAMPLE, i, Completion("", "stop", tuple(ids), tuple(lp), len(prompt), len(ids)),
            Answer(Status.OK, "", "", 1), Score(Status.OK), Score(Status.OK),
        )
        for i, (ids, lp) in enumerate(zip(answers, logps, strict=True))
    ]  # fmt: skip
    return ScoredGroup(0, rollouts, np.array(rewards, float))


def held(prompt) -> SimpleNamespace:
    """A step whose every group asks this prompt."""
    return SimpleNamespace(
        share=lambda groups, release: (list(range(len(groups))), [prompt] * len(groups)),
        packed=lambda group, prompt: group.group(prompt, None, None),  # no answer has turns, which these would encode
    )


def test_weights_are_the_ratio_of_probabilities_up_to_the_cap(model, encoder, prompts, answers, tiny):
    """Against the model called directly: every answer in a row of its own."""
    prompt, ids = prompts["mixed"], answers(3)
    policy = Policy(
        DistributedModel(model, SINGLE_PROCESS, "ddp"),
        banned_ids(encoder.tokenizer),
        tiny("rl.kl=0", "rl.micro_tokens=60"),
    )
    direct = [policy.logps([(prompt, [one])])[0].detach().double().numpy() for one in ids]
    shifts = [np.linspace(-1, 1.5, len(one)) for one in ids]
    given = group(prompt, ids, [d - s for d, s in zip(direct, shifts, strict=True)], [0, 1, 2])
    (got,), logged = correct(policy, held(prompt), [given])
    for rollout, old, weight, shift in zip(got.rollouts, direct, got.importance, shifts, strict=True):
        assert np.allclose(rollout.completion.logps, old, atol=1e-5)
        assert np.allclose(weight, np.minimum(np.exp(shift), 2.0), atol=1e-4)
    every = np.concatenate(shifts)
    assert logged["mismatch"] == pytest.approx(np.abs(every).mean(), abs=1e-4)
    assert logged["mismatch_max"] == pytest.approx(1.5, abs=1e-4)
    assert logged["mismatch_kl"] == pytest.approx((np.exp(every) - every - 1).mean(), abs=1e-3)
    assert logged["importance_capped"] == pytest.approx((np.exp(every) >= 2).mean())
    cut = got.answers(1, 3)
    assert [len(w) for w in cut.importance] == [len(one) for one in ids[1:]]
    assert torch.equal(
        rl._batch([cut], [np.zeros(2)], torch.device("cpu")).importance_N,
        torch.tensor(np.concatenate(got.importance[1:]), dtype=torch.float32),
    )
    assert rl._batch([given], [np.zeros(3)], torch.device("cpu")).importance_N is None
    assert correct(policy, held(prompt), []) == ([], {})


def test_a_run_corrects_what_its_engine_says(world, tiny, tmp_path, monkeypatch):
    """An engine that claims every token twice as likely: half the weight, and the ratio at step 0 is 1 all the same."""

    class Doubting:
        capabilities, identity = frozenset({"token_ids", "logps"}), "doubting"

        def __init__(self, engine):
            self.engine = engine

        def answer(self, requests, sampling):
            for index, completions in self.engine.answer(requests, sampling):
                yield index, [replace(c, logps=tuple(p + np.log(2) for p in c.logps)) for c in completions]

    def made(*args):
        return RolloutEngine(Doubting(make_rollout_engine(*args).engine), exact=False)

    monkeypatch.setattr(rl, "make_rollout_engine", made)
    torch.set_num_threads(1)
    run_rl(tiny("rl.steps=1", "rl.kl=0", "watch=[]"), world, tmp_path / "run")
    (row,) = rows(tmp_path / "run")
    assert row["ratio"] == pytest.approx(1, abs=1e-4) and row["importance"] == pytest.approx(0.5, abs=1e-4)
    assert row["mismatch"] == pytest.approx(np.log(2), abs=1e-4) and row["importance_capped"] == 0


def test_engines_by_name(tiny, tmp_path, encoder, model):
    distributed = DistributedModel(model, SINGLE_PROCESS, "ddp")
    local = make_rollout_engine(tiny(), distributed, None, encoder, tmp_path)
    assert local.exact and local.engine.identity == "policy"
