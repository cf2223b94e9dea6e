"""The model that several processes train: a copy each (DDP), or a part of every weight each (FSDP2).

Both see a pass only through the hooks of a module's call, so the model is entered through one root whose forward is
`answer_logps`. Every process makes the same number of passes, and each of them enters the vision tower, with a blank
picture if need be: whoever stayed out would leave the others waiting in the tower's exchanges.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from onethinker.engines.encode import Prompt
from onethinker.models.forward import unwrap, usable_dtype
from onethinker.train.optimizer import CombinedOptimizer, Optimizer
from onethinker.train.parallel import Processes
from onethinker.train.prefix import TokenGroup, answer_logps

T = TypeVar("T")

_ONE = torch.zeros(1, dtype=torch.long)
DUMMY_GROUP = TokenGroup(Prompt(_ONE, torch.zeros(3, 1, dtype=torch.long), _ONE, {}), [[0]])
"""A token after a token: what a process passes that has nothing left to pass."""


class LogpsModule(nn.Module):
    """The model, with `answer_logps` as its forward."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, groups: Sequence[TokenGroup], **options: Any) -> tuple[Tensor, Tensor]:
        return answer_logps(self.module, groups, always_run_vision=True, **options)


class DistributedModel:
    """A model spread over the processes of a run (DDP or FSDP2); with one process it is the model itself.

    model: the transformers or PEFT model; under FSDP2 its parameters become `DTensor`s in place, so an optimiser is to
    be made after this. dtype: of the arithmetic, as in a recipe. rollout_model: the model to sample from, inside
    `unsharded()`.
    """

    def __init__(self, model: Any, processes: Processes, kind: str, dtype: str = "float32") -> None:
        self.model, self.processes, self.rollout_model = model, processes, model
        self._root: Any = None
        self._sharded = processes.size > 1 and kind == "fsdp"
        device = unwrap(model).lm_head.weight.device
        self._cast = torch.bfloat16 if usable_dtype(device, dtype) == "bfloat16" else None
        if self._sharded or self._cast:
            self.rollout_model = _copy_without_weights(model)
        if self._sharded:
            self._root = _shard(LogpsModule(model), processes.size, self._cast)
        elif processes.size > 1 and any(p.requires_grad for p in model.parameters()):
            self._root = _replicate(LogpsModule(model))

    def logps(self, groups: Sequence[TokenGroup], **options: Any) -> tuple[Tensor, Tensor]:
        """As `answer_logps`; all processes must call it equally often."""
        if self._root is None:
            return answer_logps(self.model, groups, **options)
        found = self._root(groups, **options)
        if self._sharded and not torch.is_grad_enabled():
            # With gradients the backward pass does it. FSDP2 keeps a root's own weights gathered after a forward, and
            # would hold the reference's embeddings and head beside the policy's.
            self._root.reshard()
        return found

    def passes(self, plan: Sequence[T]) -> Iterator[T | None]:
        """The items of this process's plan, then None until every process has made as many passes as the longest plan.

        Gradients are exchanged in the last pass (DDP) or in each (FSDP2).
        """
        count = max(self.processes.gather(len(plan)))
        for number in range(count):
            with nullcontext() if number + 1 == count else self._accumulating():
                yield plan[number] if number < len(plan) else None

    def _accumulating(self) -> AbstractContextManager[Any]:
        return self._root.no_sync() if hasattr(self._root, "no_sync") else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """The gradients of all processes' losses add up, which DDP and FSDP2 would average."""
        # Losses are already divided by the whole minibatch's tokens, so that a mean over processes would be too small.
        (loss * self.processes.size).backward()

    def dummy_logps(self) -> Tensor:
        """The pass of a process that has nothing left to pass: one log-probability (1,), weighed with 0."""
        return 0.0 * self.logps([DUMMY_GROUP], banned=[])[0]

    def drop_unused_vision_gradients(self) -> None:
        """Drop the gradients of 0 that blank pictures left, to be called after passes in which no process had media:
        alone the tower would have none, and the optimiser would leave it as it is."""
        for parameter in unwrap(self.model).model.visual.parameters() if self._root else ():
            parameter.grad = None

    @contextmanager
    def unsharded(self, cast: bool = True) -> Iterator[None]:
        """Within it `rollout_model` has all its weights, gathered once: while it answers nothing is exchanged, so that
        the processes may take as many steps as they like. All processes must enter it.

        cast: weights of linear layers are in the type of the arithmetic. Autocast gives the same numbers, but would
        read each in float32, write it and read it again for every token.
        """
        if self.rollout_model is self.model:
            yield
            return
        self._fill(_whole, self._cast if cast else None)
        try:
            yield
        finally:
            self._fill(lambda weight: torch.empty(weight.shape, dtype=weight.dtype, device="meta"))

    @torch.no_grad()
    def _fill(self, value: Callable[[Any], Tensor], cast: torch.dtype | None = None) -> None:
        made: dict[Any, nn.Parameter] = {}  # by identity: a head that is the embedding is one weight, gathered once
        for module, twin in zip(self.model.modules(), self.rollout_model.modules(), strict=True):
            for name, weight in module.named_parameters(recurse=False):
                dtype = cast if cast and isinstance(twin, nn.Linear) else weight.dtype
                if (id(weight), dtype) not in made:
                    whole = made.get((id(weight), weight.dtype), weight)
                    made[id(weight), dtype] = nn.Parameter(value(whole.to(dtype)), requires_grad=False)
                setattr(twin, name, made[id(weight), dtype])


def _whole(weight: Any) -> Tensor:
    return weight.full_tensor() if hasattr(weight, "full_tensor") else weight


def _copy_without_weights(model: nn.Module) -> nn.Module:
    """A copy that holds no weights until they are given to it."""
    meta = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=False) for p in model.parameters()}
    return copy.deepcopy(model, memo=dict(meta))


def _replicate(root: LogpsModule) -> nn.Module:
    with warnings.catch_warnings():  # torch 2.15 has another name for `broadcast_buffers`, which 2.9 does not know
        warnings.simplefilter("ignore", FutureWarning)
        return nn.parallel.DistributedDataParallel(root, broadcast_buffers=False, gradient_as_bucket_view=True)


def _shard(root: LogpsModule, size: int, cast: torch.dtype | None) -> LogpsModule:
    """Split every weight over the processes: by layer of the language model and the tower, the rest with the root.

    cast: the type in which layers' matrices are gathered, half of float32's bytes; gradients are added up in float32.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    core = unwrap(root)
    mesh = init_device_mesh(core.lm_head.weight.device.type, (size,))
    policy = MixedPrecisionPolicy(param_dtype=cast, reduce_dtype=torch.float32, cast_forward_inputs=False)
    for module in list(core.modules()):
        # A layer at a time is gathered, used and dropped; with the root alone all weights would be there at once.
        if type(module).__name__ not in core._no_split_modules:
            continue
        # Autocast leaves norms in float32, and so must a gathering that is to change no number.
        norms = [m for m in module.modules() if not isinstance(m, nn.Linear) and [*m.parameters(recurse=False)]]
        if cast and norms:
            fully_shard(norms, mesh=mesh)
        fully_shard(module, mesh=mesh, mp_policy=policy if cast else MixedPrecisionPolicy())
    fully_shard(root, mesh=mesh)
    return root


def full_tensors(tree: Any, keep: bool) -> Any:
    """The tree with every sharded tensor in one piece in main memory; None in its place where it is not to be kept.

    All processes must call it on trees of the same form.
    """
    if isinstance(tree, Mapping):
        return {key: full_tensors(value, keep) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return type(tree)(full_tensors(value, keep) for value in tree)
    if not hasattr(tree, "full_tensor"):
        return tree
    whole = tree.full_tensor()
    return whole.cpu() if keep else None


def checkpoint_weights(model: nn.Module, keep: bool) -> dict[str, Tensor] | None:
    """What a checkpoint takes of a sharded model: its weights, or its adapters where it has some; else None."""
    weights = {name: p.detach() for name, p in model.named_parameters()}
    if not any(hasattr(p, "full_tensor") for p in weights.values()):
        return None
    adapters = hasattr(model, "peft_config")
    return full_tensors({name: p for name, p in weights.items() if not adapters or "lora_" in name}, keep)


def load_optimizer_state(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """Put an optimiser's whole state back, each moment split as its parameter is."""
    if isinstance(optimizer, CombinedOptimizer):
        for member, state in zip(optimizer.members, saved["members"], strict=True):
            load_optimizer_state(member, state)
        return
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {i: {k: _split_as(parameters[i], v) for k, v in values.items()} for i, values in saved["state"].items()}
    optimizer.load_state_dict(saved | {"state": state})


def _split_as(parameter: Any, value: Any) -> Any:
    if not hasattr(parameter, "placements") or getattr(value, "shape", None) != parameter.shape:
        return value
    from torch.distributed.tensor import distribute_tensor

    return distribute_tensor(value, parameter.device_mesh, parameter.placements, src_data_rank=None)
