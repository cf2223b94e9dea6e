"""Studies of a few steps of a model that knows nothing, to see that everything is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from onethinker.sample.answer import Status
from onethinker.scoring.rollout import roll_out
from onethinker.studies import bench
from onethinker.studies.bench import Sizes
from onethinker.tasks.base import Score
from onethinker.train import experience

SMALL = [
    "model.device=cpu", "rl.steps=2", "rl.prompts=4", "rl.minibatch=4", "rl.group=3", "rl.max_tokens=6",
    "rl.save_every=2", "evaluate.max_tokens=6", "evaluate.sampled=1", "evaluate.bootstrap=50",
]  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Overrides that make a study small; every training answer earns what its tokens say, so that there is a gradient.

    Worlds have 26 samples to train on and 13 held out.
    """
    torch.set_num_threads(1)
    monkeypatch.setattr(bench, "QUICK_SIZES", Sizes(26, 13))

    def scored(rollout):  # type: ignore[no-untyped-def]
        luck = sum(rollout.completion.token_ids) % 7 / 6
        return replace(rollout, score=Score(Status.OK, accuracy=luck, format=1))

    def wrapped(*args, **kwargs):  # type: ignore[no-untyped-def]
        return ((position, [scored(r) for r in rollouts]) for position, rollouts in roll_out(*args, **kwargs))

    monkeypatch.setattr(experience, "roll_out", wrapped)
    yield SMALL
