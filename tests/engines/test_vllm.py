"""vLLM as a rollout engine: its protocol against a stub, `vllm.LLM` by a fake, and real ones where an environment
variable says where they are."""

from __future__ import annotations

import json
import math
import os
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoProcessor

from onethinker.engines import make_engine
from onethinker.engines.base import Completion, EngineError, Request, Sampling
from onethinker.engines.encode import Encoder
from onethinker.engines.local import LocalEngine
from onethinker.engines.vllm import BAN, VISION, ExpansionError, VllmServer
from onethinker.engines.vllm_inprocess import VllmInProcess
from onethinker.models import mini
from onethinker.models.forward import banned_ids
from onethinker.models.load import add_lora, load, save
from onethinker.models.shipped import shipped
from onethinker.models.weights import merged_weights
from onethinker.recipes import SHIPPED
from onethinker.scoring.rollout import make_request
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.engine import ToolEngine
from onethinker.train.rl import run_rl
from onethinker.util.server import Server
from tests.http_stub import HttpStub, Reply
from tests.tools.conftest import Caller, call

SERVER, MODEL = os.environ.get("ONETHINKER_VLLM_SERVER", ""), os.environ.get("ONETHINKER_VLLM_MODEL", "")
real = pytest.mark.skipif(
    not (SERVER and MODEL),
    reason="ONETHINKER_VLLM_SERVER (http://host:port/v1) and ONETHINKER_VLLM_MODEL (the folder it serves) are not set",
)


class Stub(HttpStub):
    """A vLLM as far as the engine sees it: every answer is `ids`, every prompt what `expand` says."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[dict[str, Any]] = []
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.expand: Callable[[dict[str, Any]], list[int]] = lambda body: []
        self.ids, self.logps, self.only = [10, 11, 2], [-0.5, -0.25, -0.125], 0.0
        self.development = True
        self.url = f"http://{self.host}/v1"

    def answer(self, path: str, body: Any, key: str | None) -> Reply:
        if body is None:
            return 200, {"data": [{"id": "m", "owned_by": "vllm"}]}
        if path == "/v1/chat/completions":
            return 200, self.reply(body)
        self.told.append((path, body))
        return 200 if self.development else 404, b""

    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if only := body.get("allowed_token_ids"):
            ids, logps, prompt = only, [self.only], [1]
        else:
            self.asked.append(body)
            ids, logps, prompt = self.ids, self.logps, self.expand(body)
        choice = {
            "message": {"content": "the server's own words"}, "finish_reason": "stop", "token_ids": ids,
            "logprobs": {"content": [{"token": "?", "logprob": logp} for logp in logps]},
        }  # fmt: skip
        usage = {"prompt_tokens": 5, "completion_tokens": 3}
        return {"choices": [choice] * body.get("n", 1), "prompt_token_ids": prompt, "usage": usage}

    def engine(self, encoder: Encoder, **more: Any) -> VllmServer:
        return VllmServer(Server(self.url, timeout=5.0, attempts=1), "m", encoder, **more)


@pytest.fixture
def stub() -> Iterator[Stub]:
    made = Stub()
    yield made
    made.close()


@pytest.fixture(scope="module")
def encoder(mini_processor) -> Encoder:
    return Encoder(mini_processor)


def answered(engine: Any, *requests: Request, **sampling: Any) -> list[list[Any]]:
    found = dict(engine.answer(requests, Sampling(**sampling)))
    return [found[i] for i in range(len(requests))]


def test_tokens_and_log_probabilities_pass_through(stub, encoder, ask):
    request = ask("<image> then <video> what?", "square", "uneven")
    stub.expand = lambda body: encoder.encode(request).ids_T.tolist()
    ((first, second),) = answered(stub.engine(encoder), request, n=2, temperature=0.7, max_tokens=9)
    assert first.token_ids == (10, 11, 2) and first.logps == (-0.5, -0.25, -0.125) and first.tokens == 3
    assert first.text == encoder.tokenizer.decode([10, 11]) and second.finish == "stop"
    (body,) = stub.asked
    assert body["logprobs"] and body["return_token_ids"] and body["temperature"] == 0.7
    assert body["logit_bias"] == {str(i): BAN for i in banned_ids(encoder.tokenizer)}
    times = encoder.inputs(request).metadata[0].frames_indices
    assert body["media_io_kwargs"]["video"]["frames_indices"] == times
    assert {"token_ids", "logps"} <= stub.engine(encoder).capabilities


def test_another_expansion_is_an_error_that_says_where(stub, encoder, ask):
    request = ask("<image> what?", "square")
    ids = encoder.encode(request).ids_T.tolist()
    stub.expand = lambda body: [*ids[:6], *ids[7:]]
    with pytest.raises(ExpansionError, match=f"{len(ids) - 1} tokens where training has {len(ids)}"):
        answered(stub.engine(encoder), request)


def test_the_pair_around_a_clip_is_put_back(stub, encoder, ask):
    """An older vLLM replaces the pair together with the clip's placeholder: then it is sent once more, as words."""
    request = ask("see <video> what?", "even")
    ids = encoder.encode(request).ids_T.tolist()
    start, end = encoder.tokenizer.convert_tokens_to_ids(list(VISION))
    last = len(ids) - 1 - ids[::-1].index(end)
    dropped = [t for i, t in enumerate(ids) if i not in (ids.index(start), last)]
    assert len(dropped) == len(ids) - 2

    def expand(body: dict[str, Any]) -> list[int]:
        words = [p.get("text") for p in body["messages"][-1]["content"]]
        return ids if all(mark in words for mark in VISION) else dropped

    stub.expand = expand
    engine = stub.engine(encoder)
    assert answered(engine, request)[0][0].token_ids == (10, 11, 2) and len(stub.asked) == 2
    answered(engine, request)
    assert len(stub.asked) == 3


def test_log_probabilities_that_are_not_the_samplings_are_refused(stub, encoder):
    stub.only = -3.2
    with pytest.raises(EngineError, match=r"-3\.200 .* processed_logprobs"):
        stub.engine(encoder)


@pytest.mark.parametrize("logp", [math.nan, -math.inf])
def test_log_probabilities_that_are_no_numbers_are_refused(stub, encoder, ask, logp):
    request = ask("what?")
    stub.expand = lambda body: encoder.encode(request).ids_T.tolist()
    stub.logps = [-0.5, logp, -0.125]
    with pytest.raises(EngineError, match=f"log-probability of {logp}"):
        answered(stub.engine(encoder), request)


def test_a_sampled_placeholder_is_refused(stub, encoder, ask):
    request = ask("what?")
    stub.expand = lambda body: encoder.encode(request).ids_T.tolist()
    stub.ids = [10, banned_ids(encoder.tokenizer)[0], 2]
    with pytest.raises(EngineError, match="media placeholder"):
        answered(stub.engine(encoder), request)


def test_the_weights_are_written_and_read_again(stub, encoder, tmp_path):
    weights = {"a.weight": torch.arange(6.0).view(2, 3).T}
    engine = stub.engine(encoder, weights=lambda: weights, folder=tmp_path / "handover")
    engine.sync_weights()
    assert torch.equal(load_file(tmp_path / "handover" / "model.safetensors")["a.weight"], weights["a.weight"])
    told = {"method": "reload_weights", "kwargs": {"weights_path": str(tmp_path / "handover")}}
    assert stub.told == [("/collective_rpc", told), ("/reset_prefix_cache", {}), ("/reset_encoder_cache", {})]
    stub.development = False
    with pytest.raises(EngineError, match="VLLM_SERVER_DEV_MODE"):
        engine.sync_weights()


def test_whole_weights_are_a_checkpoints(tmp_path, mini_processor):
    """Names and values are those of a saved checkpoint; adapters are folded in as merging folds them."""
    model, _ = load("mini", device="cpu")
    save(model, mini_processor, tmp_path / "plain")
    saved = load_file(tmp_path / "plain" / "model.safetensors")
    found = merged_weights(model)
    assert found.keys() == saved.keys() and all(torch.equal(found[n], saved[n]) for n in saved)
    adapted = add_lora(model, rank=2, alpha=4, dropout=0.0)
    torch.manual_seed(0)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    folded = merged_weights(adapted)
    merged = adapted.merge_and_unload().state_dict()
    assert folded.keys() == saved.keys() and not torch.equal(folded[name_of(saved)], saved[name_of(saved)])
    assert all(torch.allclose(folded[n], merged[n], atol=1e-6) for n in saved)


def name_of(weights: Any) -> str:
    return next(name for name in weights if name.endswith("language_model.layers.0.self_attn.q_proj.weight"))


def test_the_mini_model_says_that_its_positions_interleave(mini_processor):
    """vLLM reads it; transformers interleaves in any case."""
    assert mini.config(mini_processor.tokenizer).text_config.rope_parameters["mrope_interleaved"] is True


class FakeLLM:
    """`vllm.LLM` as the engine in this process uses it."""

    def __init__(self, **options: Any) -> None:
        self.options, self.calls, self.prompts = options, list[str](), list[Any]()
        self.llm_engine = SimpleNamespace(reset_encoder_cache=lambda: None)
        self.expanded: list[list[int]] = []

    def collective_rpc(self, method: str, kwargs: dict[str, Any]) -> None:
        self.calls.append(f"{method} {len(list(kwargs['weights_iterator']))}")

    def wake_up(self, tags: list[str]) -> None:
        self.calls.append(f"wake {tags[0]}")

    def sleep(self, level: int) -> None:
        self.calls.append(f"sleep {level}")

    def reset_prefix_cache(self) -> None:
        pass

    def generate(self, prompts: list[Any], params: list[Any], use_tqdm: bool) -> list[Any]:
        self.prompts = prompts
        answer = SimpleNamespace(
            token_ids=[10, 2], finish_reason="stop",
            logprobs=[{10: SimpleNamespace(logprob=-0.5)}, {2: SimpleNamespace(logprob=-0.1)}],
        )  # fmt: skip
        return [
            SimpleNamespace(prompt_token_ids=ids, outputs=[answer] * p.n)
            for ids, p in zip(self.expanded, params, strict=True)
        ]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("vllm")
    module.LLM = FakeLLM  # type: ignore[attr-defined]
    module.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", module)
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")


def test_a_vllm_in_process_answers_from_token_ids(fake, encoder, ask, tmp_path):
    engine = VllmInProcess(str(tmp_path), encoder, dtype="float32")
    requests = [ask("<video> what?", "odd"), Request("bad", "<image>", (tmp_path / "none.png",), ask("x").budget)]
    engine.llm.expanded = [encoder.encode(requests[0]).ids_T.tolist()]
    (good, again), bad = answered(engine, *requests, n=2)
    assert good.token_ids == (10, 2) and good.logps == (-0.5, -0.1) and good == again
    assert [c.finish for c in bad] == ["error"] * 2 and "none.png" in bad[0].error
    (prompt,) = engine.llm.prompts
    ((frames, told),) = prompt["multi_modal_data"]["video"]
    assert frames.shape == (6, 32, 48, 3) and told["frames_indices"][-1] == told["frames_indices"][-2]
    assert prompt["mm_processor_kwargs"]["videos_kwargs"]["do_sample_frames"] is False
    engine.llm.expanded = [[1, 2, 3]]
    with pytest.raises(ExpansionError):
        answered(engine, requests[0])


def test_a_vllm_in_process_is_known_by_its_weights_and_options(fake, encoder, tmp_path):
    def identity(folder: str, **options):
        return VllmInProcess(str(tmp_path / folder), encoder, **options).identity

    for folder, weights in {"a": b"one", "copy": b"one", "b": b"two"}.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.safetensors").write_bytes(weights)
    before = identity("a", dtype="float32")
    assert identity("copy", dtype="float32") == before
    assert len({before, identity("b", dtype="float32"), identity("a", dtype="bfloat16")}) == 3
    (tmp_path / "a" / "model.safetensors").write_bytes(b"new")
    assert identity("a", dtype="float32") != before


def test_a_vllm_in_process_sleeps_and_takes_the_weights(fake, encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    model, processor = load("mini", device="cpu")
    weights = merged_weights(model)
    engine = VllmInProcess.for_policy(
        model, processor, tmp_path, encoder, lambda: weights, dtype="float32", max_model_len=99
    )
    assert {"config.json", "tokenizer.json"} <= {file.name for file in tmp_path.iterdir()}
    assert json.loads((tmp_path / "config.json").read_text())["architectures"] == ["Qwen3VLForConditionalGeneration"]
    assert engine.llm.options["enable_sleep_mode"] and engine.llm.options["max_model_len"] == 99
    for _ in range(2):
        engine.sync_weights()
        engine.sleep()
    count = f"reload_weights {len(weights)}"
    assert engine.llm.calls == [count, "sleep 2", "wake weights", count, "wake kv_cache", "sleep 2"]


@pytest.mark.parametrize("name", ["mini-rl", "nobody/no-such-model"])
def test_without_vllm_the_way_out_is_named_before_a_model_is_looked_for(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "vllm", None)
    monkeypatch.setattr(AutoProcessor, "from_pretrained", None)
    with pytest.raises(EngineError, match=r"start a server in its own environment"):
        make_engine(name, "vllm")


def test_a_vllm_in_process_is_given_the_folder_of_a_shipped_name(fake):
    engine = make_engine("mini-rl", "vllm")
    assert engine.llm.options["model"] == str(shipped()["mini-rl"])


@pytest.mark.slow
@real
def test_a_real_server_answers_as_the_local_engine(world, tmp_path):
    """Token for token on pictures and clips in float32; then it takes other weights, and its own again."""
    torch.set_num_threads(1)
    model, processor = load(MODEL, device="cpu")
    encoder = Encoder(processor)
    handed = {name: tensor.clone() for name, tensor in merged_weights(model).items()}
    engine = VllmServer.connect(SERVER, encoder, lambda: handed, tmp_path / "handover")
    prompts, budget = load_prompts("short"), SHIPPED["mini"].media
    requests = [make_request(sample, world, prompts, budget) for sample in world.items[:13]]
    expected = answered(LocalEngine(model, encoder), *requests, max_tokens=48)
    engine.sync_weights()
    for mine, theirs in zip(expected, answered(engine, *requests, max_tokens=48), strict=True):
        assert mine[0].token_ids == theirs[0].token_ids
        assert mine[0].logps == pytest.approx(theirs[0].logps, abs=1e-4)
    handed = {name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in handed.items()}
    engine.sync_weights()
    others = answered(engine, *requests, max_tokens=48)
    assert any(mine[0].token_ids != other[0].token_ids for mine, other in zip(expected, others, strict=True))
    handed = merged_weights(model)
    engine.sync_weights()


class Spelled(Caller):
    """Calls are among the answer's tokens, as a model's own are: a server is told earlier turns as text."""

    def __init__(self, engine: Any, encoder: Encoder) -> None:
        def says(request: Request) -> str:
            clip = request.media[0].suffix == ".mp4"
            return call("look", start=0, end=1, fps=2) if clip else call("zoom", box=[0, 100, 700, 450])

        super().__init__(engine, says, times=2)
        self.encoder = encoder

    def _called(self, request: Request, answer: int, made: Completion) -> Completion:
        told = super()._called(request, answer, made)
        if told is made:
            return made
        ids = (*self.encoder.encode_text(told.text), self.encoder.tokenizer.eos_token_id)
        return replace(told, token_ids=ids, logps=(0.0,) * len(ids), tokens=len(ids))


@pytest.mark.slow
@real
def test_a_real_server_answers_over_turns_as_the_local_engine(world, tmp_path):
    """Calls of zoom and look, whose pictures stand between the turns and need not have sides of whole tokens: the same
    tokens and log-probabilities."""
    torch.set_num_threads(1)
    model, processor = load(MODEL, device="cpu")
    encoder = Encoder(processor)
    server = VllmServer.connect(SERVER, encoder, lambda: merged_weights(model), tmp_path / "handover")
    server.sync_weights()
    prompts, budget = load_prompts("short"), SHIPPED["mini"].media
    requests = [make_request(sample, world, prompts, budget) for sample in world.items[:13]]
    mine, theirs = (
        answered(ToolEngine(Spelled(engine, encoder), make_tools(["zoom", "look"])), *requests, max_tokens=32)
        for engine in (LocalEngine(model, encoder), server)
    )
    for one, other in zip(mine, theirs, strict=True):
        assert len(one[0].turns) == len(other[0].turns) == 2 and not other[0].error
        assert [t.response for t in one[0].turns] == [t.response for t in other[0].turns]
        assert one[0].token_ids == other[0].token_ids
        assert one[0].logps == pytest.approx(other[0].logps, abs=1e-4)


@pytest.mark.slow
@real
def test_rl_by_a_real_server(world, tiny, tmp_path):
    recipe = tiny("rl.engine=vllm", f"rl.server={SERVER}", f"model.base={MODEL}", "watch=[]", "rl.steps=2")
    run_rl(recipe, world, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(row["mismatch"] < 1e-4 and row["importance"] == pytest.approx(1, abs=1e-4) for row in rows)
    engine = VllmServer.connect(
        SERVER, Encoder(load(MODEL)[1]), lambda: merged_weights(load(MODEL)[0]), tmp_path / "back"
    )
    engine.sync_weights()
