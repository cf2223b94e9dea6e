"""Who answers in training: the policy itself, a vLLM server, or a vLLM beside the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.engines.base import Engine, EngineError
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.models.weights import whole_weights
from onethinker.recipes.base import Recipe
from onethinker.train.parallel import Processes
from onethinker.train.spread import Spread

HANDOVER = "handover"


@dataclass(frozen=True, eq=False)
class Rollouts:
    """ready: within it the engine answers as the policy is at its start. exact: its log-probabilities are those that
    the training forward pass computes, so that they need no correction."""

    engine: Engine
    ready: Callable[[], AbstractContextManager[Any]] = nullcontext
    exact: bool = True


def make_rollouts(recipe: Recipe, spread: Spread, processor: Any, encoder: Encoder, out: Path) -> Rollouts:
    """What `rl.engine` and `rl.server` ask for. Raises EngineError where it cannot be had.

    The policy's weights must be whole (`spread.whole()`) wherever the rollouts are made ready.
    """
    config, team = recipe.rl, spread.team

    def weights() -> dict[str, Any]:
        return whole_weights(spread.answering)

    if config.engine == "local":
        dtype = recipe.model.dtype
        return Rollouts(LocalEngine(spread.answering, encoder, rows=config.rows, identity="policy", dtype=dtype))
    folder = Path(config.handover) if config.handover else out / HANDOVER
    if config.server:
        from onethinker.engines.vllm import VllmServer

        server = VllmServer.at(config.server, encoder, weights, folder)
        return Rollouts(server, lambda: _served(server, team), exact=False)
    if team.size > 1:
        raise EngineError(
            f"a vLLM beside the trainer answers one process, and there are {team.size}; name a server with rl.server"
        )
    from onethinker.engines.vllm_beside import VllmBeside

    options = {"dtype": recipe.model.dtype} | config.engine_options
    beside = VllmBeside.of(spread.model, processor, folder, encoder, weights, **options)
    return Rollouts(beside, lambda: _beside(beside), exact=False)


@contextmanager
def _served(server: Any, team: Processes) -> Iterator[None]:
    team.first(server.take)
    yield


@contextmanager
def _beside(engine: Any) -> Iterator[None]:
    engine.take()
    try:
        yield
    finally:
        engine.rest()
