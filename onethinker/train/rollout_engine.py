"""Who answers in training: the policy itself, a vLLM server, or a vLLM in the trainer's process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.engines.base import Capability, Engine, EngineError
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.models.weights import merged_weights
from onethinker.recipes.base import Recipe
from onethinker.train.distributed import DistributedModel

HANDOVER = "handover"


@dataclass(frozen=True, eq=False)
class RolloutEngine:
    """An engine that answers as the policy in training. Raises EngineError for one that gives no tokens to train on.

    ready: a context within which it answers as the policy is now; all processes must enter it. exact: its
    log-probabilities are those that the training forward pass computes, so that they need no correction.
    """

    engine: Engine
    ready: Callable[[], AbstractContextManager[Any]] = nullcontext
    exact: bool = True

    def __post_init__(self) -> None:
        wanted: tuple[Capability, ...] = ("token_ids", "logps")
        if missing := [name for name in wanted if name not in self.engine.capabilities]:
            raise EngineError(
                f"engine {self.engine.identity} gives no {' and no '.join(missing)} of its answers, which RL trains "
                "on; set rl.engine to local or vllm"
            )


def make_rollout_engine(
    recipe: Recipe, distributed: DistributedModel, processor: Any, encoder: Encoder, out: Path
) -> RolloutEngine:
    """What `rl.engine` and `rl.server` ask for. Raises EngineError where it cannot be had."""
    config, processes = recipe.rl, distributed.processes

    def weights() -> dict[str, Any]:
        return merged_weights(distributed.rollout_model)

    if config.engine == "local":
        local = LocalEngine(
            distributed.rollout_model, encoder, config.decode_batch_size, identity="policy", dtype=recipe.model.dtype
        )
        return RolloutEngine(local, distributed.unsharded)
    folder = Path(config.handover) if config.handover else out / HANDOVER
    if config.server:
        from onethinker.engines.vllm import VllmServer

        server = VllmServer.connect(config.server, encoder, weights, folder)
        return RolloutEngine(server, lambda: _served(server, distributed), exact=False)
    if processes.size > 1:
        raise EngineError(
            f"a vLLM in the trainer's process answers for one process, and there are {processes.size}; name a "
            "server with rl.server"
        )
    from onethinker.engines.vllm_inprocess import VllmInProcess

    options = {"dtype": recipe.model.dtype} | config.engine_options
    engine = VllmInProcess.for_policy(distributed.model, processor, folder, encoder, weights, **options)
    return RolloutEngine(engine, lambda: _in_process(engine, distributed), exact=False)


@contextmanager
def _served(server: Any, distributed: DistributedModel) -> Iterator[None]:
    with distributed.unsharded(cast=False):
        distributed.processes.run_on_main(server.sync_weights)
    yield


@contextmanager
def _in_process(engine: Any, distributed: DistributedModel) -> Iterator[None]:
    with distributed.unsharded(cast=False):
        engine.sync_weights()
    try:
        yield
    finally:
        engine.sleep()
