"""Two processes against one: the same losses, weights and state, whatever each of them has to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from onethinker.engines.base import Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.models import forward
from onethinker.sample import Samples, load_samples, save_samples
from onethinker.train import checkpoint, distributed
from onethinker.train.batches import sft_batches
from onethinker.train.distributed import DistributedModel
from onethinker.train.parallel import SINGLE_PROCESS, Processes, join_processes, run_folder
from onethinker.train.prefix import answer_logps
from onethinker.train.start import say_idle
from onethinker.util.runs import RunError
from tests.train import two
from tests.train.runs import lasting

ROOT = Path(__file__).parents[2]
COLLECTIVE_TIMEOUT = 600
"""Seconds after which two processes that wait for each other are ended."""
TOLERANCE = 1e-5


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


# -- alone -----------------------------------------------------------------------------------------------------------


def test_alone_nothing_is_exchanged(mini_model):
    processes = join_processes()
    assert processes is SINGLE_PROCESS and processes.is_main
    assert (
        processes.shard([3, 1, 2]) == [3, 1, 2]
        and processes.gather("a") == ["a"]
        and processes.run_on_main(lambda: 7) == 7
    )
    assert processes.balanced_shards([5, 1, 9]) == [[0, 1, 2]]
    alone = DistributedModel(mini_model, processes, "fsdp")
    assert alone.rollout_model is alone.model is mini_model
    assert list(alone.passes(["a", "b"])) == ["a", "b"]
    groups = two.text_groups()
    assert torch.equal(alone.logps(groups, banned=[])[0], answer_logps(mini_model, groups, banned=[])[0])
    assert not torch.distributed.is_initialized()


def test_answers_are_decoded_from_matrices_cast_once(mini_model, mini_processor, ask, monkeypatch):
    """The tokens and probabilities that autocast gives of float32 weights, to the bit; norms and embedding stay."""
    for module in (distributed, forward):
        monkeypatch.setattr(module, "usable_dtype", two.same_dtype)
    model = DistributedModel(mini_model, SINGLE_PROCESS, "ddp", "bfloat16")
    sampling = Sampling(n=2, temperature=1.0, max_tokens=6, seed=5)

    def answers(answering):
        engine = LocalEngine(answering, Encoder(mini_processor), identity="policy", dtype="bfloat16")
        ((_, completions),) = engine.answer([ask("<image>Where is it?", "square")], sampling)
        return [(c.token_ids, c.logps) for c in completions]

    with model.unsharded():
        weights = dict(model.rollout_model.named_parameters(remove_duplicate=False))
        linear = {f"{n}.weight" for n, m in mini_model.named_modules() if isinstance(m, torch.nn.Linear)}
        assert {n for n, p in weights.items() if n.endswith("weight") and p.dtype == torch.bfloat16} == linear
        kept = [n for n, p in mini_model.named_parameters() if weights[n].data_ptr() == p.data_ptr()]
        assert "model.language_model.embed_tokens.weight" in kept and "model.language_model.norm.weight" in kept
        assert answers(model.rollout_model) == answers(mini_model)
    assert {p.device.type for p in model.rollout_model.parameters()} == {"meta"}
    with model.unsharded(cast=False):
        weights = dict(model.rollout_model.named_parameters())
        assert all(weights[n].data_ptr() == p.data_ptr() for n, p in mini_model.named_parameters())


class Gathered(Processes):
    """The leading one of two; others: what the other one gives each time that all are asked."""

    others: ClassVar[list[Any]] = []

    def gather(self, value):
        return [value, self.others.pop(0)]

    def run_on_main(self, action):
        return action()


def test_a_process_with_another_config_or_without_the_folder_ends_the_run_at_its_start(tmp_path):
    config = {"recipe": {"sft": {"batch": 4}}, "samples": {"n": 8}}
    processes = Gathered(0, 2)
    processes.others[:] = [{"recipe": {"sft": {"batch": 4}}, "samples": {"n": 9}}]
    told = r"process 1 has another config, or other data:\n  samples.n: 8 → 9\nstart all with one command on one set"
    with pytest.raises(RunError, match=told), run_folder(processes, tmp_path / "a", config, fresh=False):
        pass
    processes.others[:] = [config, "host1"]
    told = "a is not seen on host1; put --out on storage that all hosts share"
    with pytest.raises(RunError, match=told), run_folder(processes, tmp_path / "a", config, fresh=False):
        pass
    assert not (tmp_path / "a").exists()
    processes.others[:] = [config, ""]
    with run_folder(processes, tmp_path / "a", config, fresh=False) as folder:
        assert folder == tmp_path / "a"


def test_processes_without_work_are_told_of_once(capsys):
    for rank in range(8):
        say_idle(Processes(rank, 8), "rl.minibatch", 6)
        say_idle(Processes(rank, 8), "sft.batch", 8)
    told = capsys.readouterr().err
    assert told.count("processes share") == 1
    assert "8 processes share rl.minibatch=6, so 2 of them wait in every update" in told


@given(st.lists(st.integers(0, 10_000), max_size=40), st.integers(1, 9))
def test_every_item_has_one_process(costs, size):
    teams = [Processes(rank, size) for rank in range(size)]
    assert sorted(chain(*(processes.shard(range(len(costs))) for processes in teams))) == list(range(len(costs)))
    parts = [processes.balanced_shards(costs)[processes.rank] for processes in teams]
    assert sorted(chain(*parts)) == list(range(len(costs)))
    loads = [sum(costs[i] for i in part) for part in parts]
    assert max(loads) - min(loads) <= max(costs, default=0), "no process has more than an item more than another"


# -- two -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(world) -> Path:
    """Text, pictures and clips in turn, and text alone: the file of 16 samples."""
    stills = [s for s in world if s.modality == "image"]
    clips = [s for s in world if s.modality == "video"]
    words = [
        replace(
            s, id=f"text-{i}", task="numerical", modality="text", media=(), question="How many?", truth="1", options=()
        )
        for i, s in enumerate(world[:8])
    ]
    items = tuple(chain(*zip(words[:4], stills, clips, strict=False), words[4:]))
    return save_samples(Samples(items, world.root), world.root / "mixed.jsonl")


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def described(tiny, mixed, runs) -> Callable[..., dict[str, Any]]:
    """`described("rl", "name", *changes, …)`: the arguments of `two.train` for one run."""

    def describe(kind: str, name: str, *changes: str, **more: Any) -> dict[str, Any]:
        recipe = tiny(
            "watch=[]", "sft.optimizer.kind=adamw", "sft.optimizer.schedule=constant", "sft.optimizer.warmup=0",
            "sft.optimizer.lr=1e-4", "sft.optimizer.weight_decay=0.1", "sft.steps=3", "sft.batch=3",
            "sft.micro_tokens=200", "seed=2", "rl.optimizer.lr=2e-5", "rl.sampler=uniform", "rl.prompts=5",
            "rl.minibatch=3", "rl.kl=0.02", "rl.max_tokens=12", "rl.micro_tokens=80", "rl.save_every=1", *changes,
        )  # fmt: skip
        arguments = {"kind": kind, "recipe": recipe.model_dump_json(), "data": str(mixed), "out": str(runs / name)}
        return arguments | more

    return describe


def launch(plan: dict[str, Any], folder: Path, *, fails: str = "", torchrun: bool = True) -> list[dict[str, Any]]:
    """Carry out a plan in two processes; what each of them did, by run. fails: what they say when they are to fail.

    torchrun: as a user starts them; without it the libraries are loaded once instead of three times.
    """
    folder.mkdir(exist_ok=True)
    (folder / "plan.json").write_text(json.dumps(plan))
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if torchrun else []
    started = subprocess.Popen(
        [sys.executable, *launcher, "-m", "tests.train.two", str(folder / "plan.json")],
        cwd=ROOT, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        told, _ = started.communicate(timeout=COLLECTIVE_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGKILL)
        pytest.fail(f"two processes did not end: {started.communicate()[0][-3000:]}")
    if fails:
        assert started.returncode and told.count(fails) == 1, told[-3000:]
        return []
    assert started.returncode == 0, "\n".join(line for line in told.splitlines() if line.startswith("[rank"))
    return [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.fixture(scope="module")
def together(described, runs) -> list[dict[str, Any]]:
    """The runs that the next tests look at, in two processes."""
    plan = {
        "sft-ddp": described("sft", "sft-ddp", "parallel=ddp"),
        "rl-fsdp": described("rl", "rl-fsdp", "parallel=fsdp"),
    }
    plan["resumed"] = described("rl", "resumed", "parallel=fsdp", copy=str(runs / "rl-fsdp"))
    return launch(plan | {"parts": {}}, runs / "plan", torchrun=False)


@pytest.fixture(scope="module")
def alone(described, runs) -> Path:
    """The same runs in this process."""
    torch.set_num_threads(1)
    for kind in ("sft", "rl"):
        two.train(**described(kind, f"{kind}-one"))
    return runs


def weights(run: Path) -> torch.Tensor:
    """Those of the last checkpoint, in one row."""
    found = load_file(next(checkpoint.folders(run)[-1].glob("*model.safetensors")))
    return torch.cat([found[name].flatten() for name in sorted(found)])


def numbers(tree: Any) -> torch.Tensor:
    """All numbers of a state in one row, by name where they have names."""
    if isinstance(tree, torch.Tensor | int | float):
        return torch.as_tensor(tree).double().flatten()
    values = tree if isinstance(tree, list | tuple) else ()
    if isinstance(tree, dict):
        values = tuple(tree[name] for name in sorted(tree, key=str))
    return torch.cat([torch.zeros(0, dtype=torch.double), *map(numbers, values)])


def assert_same_run(run: Path, peer: Path) -> None:
    """The logs, the weights and what else the last checkpoint holds, to 1e-5."""
    logs = [lasting(run), lasting(peer)]
    assert len(logs[0]) == len(logs[1]) > 0
    for ours, theirs in zip(*logs, strict=True):
        assert ours.keys() == theirs.keys()
        torch.testing.assert_close(numbers(ours), numbers(theirs), rtol=TOLERANCE, atol=TOLERANCE)
    assert (weights(run) - weights(peer)).abs().max() < TOLERANCE
    ours, theirs = (checkpoint.load_state(checkpoint.folders(folder)[-1]) for folder in (run, peer))
    for part in ("step", "left_out", "sampler", "algorithm", "optimizer"):
        found, expected = (numbers(state.get(part, [])) for state in (ours, theirs))
        torch.testing.assert_close(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "way"), [("sft", "ddp"), ("rl", "fsdp")])
def test_two_processes_equal_one(kind, way, together, alone):
    """The other two pairs are among the slow ones below."""
    assert_same_run(alone / f"{kind}-{way}", alone / f"{kind}-one")
    assert lasting(alone / f"{kind}-{way}")[-1]["loss"] != 0
    for did in together:
        assert did[f"{kind}-{way}"]["kinds"] == ["DTensor" if way == "fsdp" else "Parameter"]


@pytest.mark.slow
def test_two_processes_with_tools_equal_one(described, runs):
    """Pictures that zoom gives back in every second answer, and calls that nothing can answer, on text alone."""
    launch({"tools": described("rl", "tools-two", "tools.names=[zoom]")}, runs / "plan-tools")
    two.train(**described("rl", "tools-one", "tools.names=[zoom]"))
    assert_same_run(runs / "tools-two", runs / "tools-one")
    (first, _), used = lasting(runs / "tools-one"), "tools/used"
    assert first[used] > 0.3 and 0 < first["tools/failed"] < 1


@pytest.mark.slow
def test_their_work_was_not_the_same(together, mixed, described):
    """What the comparison is to hold for: other lengths, fewer passes, text here and clips there, text alone."""
    first, second = (did["rl-fsdp"] for did in together)
    assert first["decoding"] != second["decoding"]
    assert first["blank"] + second["blank"] > 0, "one had fewer passes than the other"
    assert first["passes"] == second["passes"]
    samples, seed = load_samples(mixed), json.loads(described("sft", "any")["recipe"])["seed"]
    batches = [[bool(samples[i].media) for i in batch] for batch in sft_batches(len(samples), 3, seed, 3)]
    assert any(b[1] != (b[0] or b[2]) for b in batches), "a batch whose processes differ in having media"
    assert any(any(b) for b in batches[: next(i for i, b in enumerate(batches) if not any(b))]), (
        "a batch of text after one with media"
    )


@pytest.mark.slow
def test_each_holds_half_of_every_weight(together, mini_model):
    for did in together:
        part = did["parts"]
        assert part["kinds"] == ["DTensor"]
        assert part["own"] == pytest.approx(part["all"] / 2, rel=0.01)
        expected = answer_logps(mini_model, two.text_groups(), banned=[])[0]
        assert part["logps"] == pytest.approx(expected.tolist(), abs=TOLERANCE)
        assert part["answers with all"] and part["left"] == ["meta"]


@pytest.mark.slow
def test_layers_are_gathered_in_bfloat16_and_give_what_autocast_gives(together, mini_model):
    """Half the bytes for their matrices, the same log-probabilities, gradients within bfloat16's error."""
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        expected = answer_logps(mini_model, two.text_groups(), banned=[], always_run_vision=True)[0]
    expected.sum().backward()
    units = [m for m in mini_model.modules() if type(m).__name__ in mini_model._no_split_modules]
    linear = {id(m.weight): m for unit in units for m in unit.modules() if isinstance(m, torch.nn.Linear)}
    cast = sum(p.numel() for m in linear.values() for p in m.parameters())
    everything = sum(p.numel() for p in mini_model.parameters())
    head = mini_model.lm_head
    for did in (process["parts"]["bfloat16"] for process in together):
        assert did["layers"] == ["torch.bfloat16"] and did["norms"] == ["torch.float32"] == did["masters"]
        assert did["bytes"] == pytest.approx(4 * (everything - cast) + 2 * cast, rel=0.01)
        assert did["logps"] == pytest.approx(expected.tolist(), abs=TOLERANCE)
        for name, weight in mini_model.named_parameters():
            assert did["gradients"][name] == pytest.approx(weight.grad.norm().item(), rel=2**-7, abs=1e-4), name
        matrices = {n for n, kind in did["kinds"].items() if kind == "torch.bfloat16"}
        assert "model.language_model.layers.0.mlp.up_proj.weight" in matrices
        assert not any("norm" in name or "embed" in name for name in matrices)
        inside = sum(p.numel() for m in mini_model.modules() if isinstance(m, torch.nn.Linear) and m is not head
                     for p in m.parameters())  # fmt: skip
        assert did["answering"] <= 4 * (everything - inside) + 2 * inside


@pytest.mark.slow
def test_a_resumed_run_of_two_is_the_same_to_the_bit(together, alone):
    assert torch.equal(weights(alone / "resumed"), weights(alone / "rl-fsdp"))
    assert lasting(alone / "resumed") == lasting(alone / "rl-fsdp")


@pytest.mark.slow
def test_one_goes_on_where_two_stopped(together, alone, described):
    two.train(**described("rl", "taken-over", "parallel=fsdp", copy=str(alone / "rl-fsdp")))
    assert_same_run(alone / "taken-over", alone / "rl-one")


@pytest.mark.slow
def test_killed_and_started_again(described, runs, tmp_path):
    """One of two is killed after the first checkpoint; what torchrun starts anew goes on to the same weights."""
    changes = ("parallel=fsdp", "sft.save_every=1")
    launch({"whole": described("sft", "whole", *changes)}, tmp_path / "whole")
    launch({"cut": described("sft", "cut", *changes, dies_at=2)}, tmp_path / "cut", fails="Signal 9 (SIGKILL)")
    assert [p.name for p in checkpoint.folders(runs / "cut")] == ["step-000001"]
    launch({"again": described("sft", "cut", *changes)}, tmp_path / "again")
    assert torch.equal(weights(runs / "cut"), weights(runs / "whole"))
    assert lasting(runs / "cut") == lasting(runs / "whole")
    refused = {"other": described("sft", "cut", *changes, "sft.optimizer.lr=0.5")}
    launch(refused, tmp_path / "refused", fails="recipe.sft.optimizer.lr: 0.0001 → 0.5")


SPREAD_OTHERWISE = {
    "sft": ("sft",),
    "rl": ("rl",),
    "adapters": ("rl", "lora.rank=2", "rl.optimizer.lr=1e-4"),
    "checkpointed": ("sft", "sft.gradient_checkpointing=true"),
    "frozen": ("sft", "sft.freeze_vision=true"),
    "bfloat16": ("rl", "model.dtype=bfloat16", "rl.kl=0"),
}


@pytest.mark.slow
def test_adapters_checkpointing_and_frozen_towers(described, runs, tmp_path):
    """The same by torchrun, and with what a large model is trained with. bfloat16 arithmetic is only asked to run."""
    plan = {f"{name}-{way}": described(kind, f"wide-{name}-{way}", f"parallel={way}", *changes)
            for name, (kind, *changes) in SPREAD_OTHERWISE.items() for way in ("ddp", "fsdp")}  # fmt: skip
    launch(plan, tmp_path / "plan")
    for name, (kind, *changes) in SPREAD_OTHERWISE.items():
        if name != "bfloat16":
            two.train(**described(kind, f"wide-{name}-one", *changes))
            for way in ("ddp", "fsdp"):
                assert_same_run(runs / f"wide-{name}-{way}", runs / f"wide-{name}-one")
