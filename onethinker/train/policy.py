"""The policy in training, and the reference that a KL penalty holds it to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from onethinker.models.forward import autocast, unwrap
from onethinker.models.load import load
from onethinker.recipes.base import Recipe
from onethinker.train.distributed import DUMMY_GROUP, DistributedModel
from onethinker.train.prefix import TokenGroup


class Policy:
    """The model that trains, and the reference it is held to: its own start, or itself without its adapters."""

    def __init__(self, distributed: DistributedModel, banned: list[int], recipe: Recipe) -> None:
        self.distributed, self.banned, self.recipe = distributed, banned, recipe
        self.device = unwrap(distributed.model).lm_head.weight.device
        self._start: DistributedModel | None = None
        if recipe.rl.kl and not recipe.lora.rank:
            start, _ = load(
                recipe.model.base, device=recipe.model.device, dtype=recipe.model.dtype,
                attention=recipe.model.attention, seed=recipe.seed,
            )  # fmt: skip
            self._start = DistributedModel(
                start.eval().requires_grad_(False), distributed.processes, recipe.parallel, recipe.model.dtype
            )

    def logps(self, groups: Sequence[TokenGroup]) -> tuple[Tensor, Tensor]:
        """Log-probabilities and entropies (N,) of the groups' answer tokens, with gradients."""
        with autocast(self.device, self.recipe.model.dtype):
            return self.distributed.logps(groups, banned=self.banned, temperature=self.recipe.rl.temperature)

    @torch.no_grad()
    def reference_logps(self, groups: Sequence[TokenGroup]) -> Tensor:
        """Log-probabilities (N,) of the same tokens under the reference."""
        distributed = self._start or self.distributed
        with autocast(self.device, self.recipe.model.dtype), self._adapters_off():
            return distributed.logps(groups, banned=self.banned, temperature=self.recipe.rl.temperature)[0]

    def _adapters_off(self) -> AbstractContextManager[Any]:
        return nullcontext() if self._start else self.distributed.model.disable_adapter()

    def dummy_pass(self) -> None:
        """Join the collective operations of one microbatch, forward and backward, with a group that weighs nothing.

        A process whose groups are done must go through as many passes as the others, whose gathering of weights and
        gradients would wait for it for ever; the reference, sharded in the same way, included.
        """
        if self.recipe.rl.kl:
            self.reference_logps([DUMMY_GROUP])
        with autocast(self.device, self.recipe.model.dtype):
            blank = self.distributed.dummy_logps().sum()
        self.distributed.backward(blank)
