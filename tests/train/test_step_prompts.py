"""A prompt is encoded once a step, whoever needs it, and its tensors are gone after the last microbatch that has it."""

from __future__ import annotations

import gc
import weakref
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from onethinker.engines.encode import Encoder
from onethinker.media import MediaBudget
from onethinker.train import distributed, rl
from onethinker.train.experience import ScoredGroup
from onethinker.train.parallel import Processes
from onethinker.train.rl import run_rl
from onethinker.train.rollout_engine import RolloutEngine, make_rollout_engine
from onethinker.train.step_prompts import StepPrompts
from tests.amount import thinned


@pytest.fixture
def encoded(monkeypatch):
    """How often each request was encoded, and weak references to what came of it."""
    counts, alive = Counter[str](), dict[str, weakref.ref]()
    encode = Encoder._encode

    def counting(self, request):
        prompt = encode(self, request)
        counts[request.id] += 1
        alive[request.id] = weakref.ref(prompt)
        return prompt

    monkeypatch.setattr(Encoder, "_encode", counting)
    return SimpleNamespace(counts=counts, alive=lambda: {name for name, ref in alive.items() if ref() is not None})


@pytest.mark.parametrize("exact", thinned([True, False], True))
def test_each_prompt_is_encoded_once_and_freed_as_its_microbatches_are_done(
    exact, encoded, world, tiny, tmp_path, monkeypatch
):
    """Length check, answers, mismatch, reference and update all read the same tensors. Microbatches hold one group."""
    held_before: list[int] = []
    logps = distributed.DistributedModel.logps

    def spied(self, groups, **options):
        if torch.is_grad_enabled() and self.model.training:
            gc.collect()
            held_before.append(len(encoded.alive()))
        return logps(self, groups, **options)

    monkeypatch.setattr(distributed.DistributedModel, "logps", spied)
    monkeypatch.setattr(
        rl, "make_rollout_engine", lambda *words: RolloutEngine(make_rollout_engine(*words).engine, exact=exact)
    )
    run_rl(tiny("rl.steps=1", "rl.prompts=4", "rl.minibatch=2", "rl.micro_tokens=1"), world, tmp_path / "run")
    assert set(encoded.counts.values()) == {1} and len(encoded.counts) == 4
    assert held_before[0] == 4 and held_before[-1] == 1 and held_before == sorted(held_before, reverse=True)
    gc.collect()
    assert encoded.alive() == set()


def test_what_does_not_train_is_released_too(encoded, world, tiny, tmp_path, capsys):
    """Too long, or dropped because all its answers were worth the same; a run of nothing else says so."""
    dropped = tiny("rl.steps=1", "rl.filter_groups=true", "rl.accuracy_low=0.5", "rl.refill_tries=1", "watch=[]")
    run_rl(dropped, world, tmp_path / "run")
    assert len(encoded.counts) > 4 and encoded.alive() == set()
    told = capsys.readouterr().err
    assert "no group trains" in told and "nothing was learnt: no step of 1 had a group that trains" in told


def test_a_prompt_that_is_held_twice_is_kept_until_it_was_released_twice(encoder, requests):
    step, request = StepPrompts(Encoder(encoder.processor), MediaBudget()), requests["image"]
    first = step.hold(0, request)
    assert step.hold(0, request) is first and step.encoder.encode(request) is first
    step.release_position(0)
    assert step.encoder.encode(request) is first
    step.release_position(0)
    assert step.encoder.encode(request) is not first
    with pytest.raises(KeyError):
        step.release_position(0)


def test_two_processes_hand_over_what_the_other_trains_on(encoder, requests):
    """The exchange is played: what each has for the other is collected first, then handed out."""
    names = ["text", "image", "images", "video", "mixed"]
    tokens = dict(zip(names, (5, 90, 20, 30, 40), strict=True))
    groups = [_Group(i, (), np.zeros(1), owner=i % 2, cost=tokens[name]) for i, name in enumerate(names)]
    sent: dict[int, list] = {}

    class Played(Processes):
        def exchange(self, parcels):
            sent.setdefault(self.rank, parcels)
            return [sent[rank][self.rank] if rank in sent else {} for rank in range(2)] if len(sent) == 2 else parcels

    steps = [StepPrompts(Encoder(encoder.processor), MediaBudget(), Played(rank, 2)) for rank in range(2)]
    for group, name in zip(groups, names, strict=True):
        steps[group.owner].hold(group.position, requests[name])
    for step in steps:  # the first round only collects
        step.processes.exchange([
            {i: step._held(groups[i]) for i in shard if groups[i].owner == step.processes.rank}
            for shard in step.processes.balanced_shards([g.tokens for g in groups])
        ])  # fmt: skip
    shares = [step.share(groups, release=True) for step in steps]
    assert sorted(i for own, _ in shares for i in own) == [0, 1, 2, 3, 4]
    for own, prompts in shares:
        assert [p.ids_T.tolist() for p in prompts] == [encoder.encode(requests[names[i]]).ids_T.tolist() for i in own]
    assert all(not step.encoder._held for step in steps)


class _Group(ScoredGroup):
    def __init__(self, *words, owner, cost):
        super().__init__(*words, owner=owner)
        object.__setattr__(self, "cost", cost)

    @property
    def tokens(self):
        return self.cost
