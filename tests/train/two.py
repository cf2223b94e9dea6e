"""Started from `test_parallel.py`: the runs of a plan, one after the other, in two processes.

torchrun --nproc-per-node 2 -m tests.train.two PLAN.json, or without torchrun, which fork once all is imported.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed.fsdp  # before the fork, so that it is loaded once
from torch.distributed.tensor import DTensor

from onethinker.engines.encode import Prompt
from onethinker.engines.local import LocalEngine
from onethinker.models import decode, forward
from onethinker.models.compat import enable_checkpointing
from onethinker.models.forward import unwrap
from onethinker.models.load import load
from onethinker.recipes.base import Recipe
from onethinker.sample import load_samples
from onethinker.sample.answer import Status
from onethinker.scoring.rollout import roll_out
from onethinker.tasks.base import Score
from onethinker.train import distributed, experience, rl, rollout_engine, sft
from onethinker.train.distributed import DistributedModel
from onethinker.train.parallel import Processes, join_processes
from onethinker.train.prefix import TokenGroup
from tests.tools.conftest import Caller, call


def scored(rollout: Any) -> Any:
    """A reward that follows from the answer's tokens: a model that knows nothing would earn nothing."""
    accuracy = sum(rollout.completion.token_ids) % 7 / 6
    return replace(rollout, score=Score(Status.OK, accuracy=accuracy, format=1, components={"luck": accuracy}))


def lucky_roll_out(*args: Any, **kwargs: Any) -> Iterator[tuple[int, list[Any]]]:
    """`roll_out` with the rewards of `scored`."""
    return ((position, [scored(r) for r in answered]) for position, answered in roll_out(*args, **kwargs))


class TalkativeEngine(LocalEngine):
    """Every fifth token ends an answer, so that answers differ in length."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stops |= set(range(8, 1288, 5))


def calling(make: Any) -> Any:
    """`make_rollout_engine`, whose every second answer calls zoom once."""

    def made(*args: Any, **kwargs: Any) -> rollout_engine.RolloutEngine:
        found = make(*args, **kwargs)
        zooms = Caller(found.engine, lambda request: call("zoom", box=[0, 0, 500, 500]))
        return rollout_engine.RolloutEngine(zooms, found.ready, found.exact)

    return made


@contextmanager
def watched(dies_at: int | None, calls: bool = False) -> Iterator[dict[str, Any]]:
    """Rewards and lengths as above, and calls of a tool where wanted; yields what this process did: kinds of
    parameters, decoding steps, passes."""
    seen: dict[str, Any] = {"kinds": set(), "decoding": 0, "blank": 0, "passes": 0, "updates": 0}
    update, step, blank, logps = sft.update, decode.Decoder.step, DistributedModel.dummy_logps, DistributedModel.logps
    make = rl.make_rollout_engine

    def counting_update(model: Any, *args: Any) -> float:
        seen["updates"] += 1
        if seen["updates"] == dies_at and join_processes().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        seen["kinds"] |= {type(p).__name__ for p in model.parameters()}
        return update(model, *args)

    def counting(name: str, function: Any) -> Any:
        def counted(*args: Any, **kwargs: Any) -> Any:
            seen[name] += 1
            return function(*args, **kwargs)

        return counted

    with (
        patch.object(rl, "make_rollout_engine", calling(make) if calls else make),
        patch.object(experience, "roll_out", lucky_roll_out),
        patch.object(rollout_engine, "LocalEngine", TalkativeEngine),
        patch.object(rl, "update", counting_update),
        patch.object(sft, "update", counting_update),
        patch.object(decode.Decoder, "step", counting("decoding", step)),
        patch.object(DistributedModel, "dummy_logps", counting("blank", blank)),
        patch.object(DistributedModel, "logps", counting("passes", logps)),
    ):
        yield seen


def train(
    kind: str,
    recipe: str,
    data: str,
    out: str,
    copy: str | None = None,
    dies_at: int | None = None,
) -> dict[str, Any]:
    """One run; what this process did.

    copy: go on from a copy of this run's folder, as it was after its first step but for the log. dies_at: process 1 is
    killed before this update.
    """
    processes = join_processes()
    if copy:
        later = shutil.ignore_patterns("step-000002*")
        processes.run_on_main(lambda: bool(shutil.copytree(copy, out, ignore=later)))
    run = {"sft": sft.run_sft, "rl": rl.run_rl}[kind]
    told = Recipe.model_validate_json(recipe)
    with watched(dies_at, bool(told.tools.names)) as seen:
        run(told, load_samples(data), Path(out))
    return seen | {"kinds": sorted(seen["kinds"])}


def text_groups() -> list[TokenGroup]:
    """A prompt of ten tokens with two answers."""
    ids = torch.arange(20, 30)
    prompt = Prompt(ids, torch.arange(10).expand(3, -1), torch.zeros(10, dtype=torch.long), {})
    return [TokenGroup(prompt, [[40, 41, 42], [50]])]


def parts(processes: Processes, groups: list[TokenGroup]) -> dict[str, Any]:
    """What FSDP2 makes of a model: how much of it this process holds, and whether it still is the same model."""
    model, _ = load("mini", device="cpu")
    weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    spread = DistributedModel(model, processes, "fsdp")
    with torch.no_grad():
        logps = spread.logps(groups, banned=[])[0]
    with spread.unsharded():
        answering = dict(spread.rollout_model.named_parameters())
        same = all(torch.equal(answering[name], weight) for name, weight in weights.items())
    return {
        "kinds": sorted({type(p).__name__ for p in model.parameters()}),
        "own": sum(p.to_local().numel() for p in model.parameters()),
        "all": sum(weight.numel() for weight in weights.values()),
        "logps": logps.tolist(),
        "answers with all": same,
        "left": sorted({p.device.type for p in spread.rollout_model.parameters()}),
    }


def gathered_in_bfloat16(processes: Processes, groups: list[TokenGroup]) -> dict[str, Any]:
    """What FSDP2 exchanges of a model that computes in bfloat16, and what comes of it."""
    seen: dict[str, Any] = {"layers": set(), "norms": set(), "bytes": 0, "answering": 0}
    collective = "all_gather_single" if hasattr(torch.distributed, "all_gather_single") else "all_gather_into_tensor"
    gather, whole = getattr(torch.distributed, collective), DTensor.full_tensor

    def counting_gather(output: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        seen["bytes"] += output.nbytes
        return gather(output, *args, **kwargs)

    def counting_whole(weight: Any, **kwargs: Any) -> torch.Tensor:
        found = whole(weight, **kwargs)
        seen["answering"] += found.nbytes
        return found

    with patch.object(distributed, "usable_dtype", same_dtype), patch.object(forward, "usable_dtype", same_dtype):
        model, _ = load("mini", device="cpu")
        enable_checkpointing(model.train())  # layers are gathered and run again in the backward pass
        spread = DistributedModel(model, processes, "fsdp", "bfloat16")
        for layer in unwrap(model).model.language_model.layers:
            for part, kind in ((layer.self_attn.q_proj, "layers"), (layer.self_attn.q_norm, "norms")):
                part.register_forward_pre_hook(lambda m, _, kind=kind: seen[kind].add(str(m.weight.dtype)))
        with (
            forward.autocast(torch.device("cpu"), "bfloat16"),
            patch.object(torch.distributed, collective, counting_gather),
        ):
            logps = spread.logps(groups, banned=[])[0]
            forward_bytes = seen["bytes"]
        spread.backward(logps.sum() / processes.size)
        with patch.object(DTensor, "full_tensor", counting_whole), spread.unsharded():
            kinds = {n: str(p.dtype) for n, p in spread.rollout_model.named_parameters()}
    grads = {name: p.grad.full_tensor() for name, p in model.named_parameters() if p.grad is not None}
    return {
        "logps": logps.tolist(), "bytes": forward_bytes, "answering": seen["answering"], "kinds": kinds,
        "layers": sorted(seen["layers"]), "norms": sorted(seen["norms"]),
        "masters": sorted({str(p.dtype) for p in model.parameters()}),
        "gradients": {name: grad.norm().item() for name, grad in grads.items()},
    }  # fmt: skip


def same_dtype(device: torch.device, dtype: str) -> str:
    """In place of `usable_dtype`: bfloat16 on a processor too."""
    return dtype


def fork_into_two() -> int:
    """This process and a copy of it, each told what torchrun tells; the copy's id, 0 in the copy itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    copy = os.fork()
    rank = "0" if copy else "1"
    os.environ |= {"RANK": rank, "LOCAL_RANK": rank}
    return copy


def main(file: Path) -> None:
    torch.set_num_threads(1)
    plan, processes = json.loads(file.read_text()), join_processes()
    done = {name: train(**run) for name, run in plan.items() if name != "parts"}
    if "parts" in plan:
        done["parts"] = parts(processes, text_groups()) | {"bfloat16": gathered_in_bfloat16(processes, text_groups())}
    file.with_name(f"rank-{processes.rank}.json").write_text(json.dumps(done))


if __name__ == "__main__":
    copy = 0 if "RANK" in os.environ else fork_into_two()
    main(Path(sys.argv[1]))
    if copy:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]))
