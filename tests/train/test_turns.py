"""Training on answers of several turns: the shared-prefix row against the plain forward, the ratio at step 0, RL."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from onethinker.engines.base import Sampling
from onethinker.engines.encode import AnswerTokens
from onethinker.engines.local import LocalEngine
from onethinker.models.compat import enable_checkpointing
from onethinker.models.forward import banned_ids
from onethinker.models.load import add_lora
from onethinker.recipes import SHIPPED, override
from onethinker.sample import Samples
from onethinker.tools import make_tools
from onethinker.tools.call import LAST
from onethinker.tools.engine import ToolEngine
from onethinker.train import rl, rollout_engine
from onethinker.train.prefix import TokenGroup, answer_logps, count_written, microbatches, slice_groups
from onethinker.train.rl import run_rl
from onethinker.train.sft import ExampleSource, run_sft
from onethinker.util.runs import RunError
from tests.tools.conftest import Caller, call
from tests.train.plain import plain_logps
from tests.train.test_prefix import assert_same_gradients, gradients

ZOOM = call("zoom", box=[0, 0, 500, 500])
LOOK = call("look", start=0, end=1, fps=2)


def says(request) -> str:
    """A zoom, and after it another look of a clip, or a call that is none."""
    if not request.turns:
        return ZOOM
    return LOOK if "even" in str(request.media) else call("zoom", box="all")


@pytest.fixture
def sampled(model, encoder, requests):
    """Four answers to each of three requests, two of which call twice, as the engine gives them."""
    engine = ToolEngine(Caller(LocalEngine(model, encoder), says, times=2), make_tools(["zoom", "look"]))
    asked = [requests[name] for name in ("image", "video", "mixed")]
    found = dict(engine.answer(asked, Sampling(n=4, temperature=0.9, max_tokens=7, seed=3)))
    return [(request, found[i]) for i, request in enumerate(asked)]


@pytest.fixture
def groups(sampled, encoder):
    return [
        TokenGroup(
            encoder.encode(request),
            [encoder.answer_tokens(c.turns, c.last_ids, request.budget) if c.turns else c.token_ids for c in found],
        )
        for request, found in sampled
    ]


def test_equals_plain_and_the_rollout(model, groups, sampled, mini_processor) -> None:
    """Log-probabilities, gradients, and those that were sampled with: the ratio at step 0 is 1."""
    pictures = [len(t.pictures) for _, found in sampled for c in found for t in c.turns]
    assert sorted(pictures) == [0, 0, 1, 1, 1, 1, 1, 1, 3, 3, 3, 3]
    options = {"banned": banned_ids(mini_processor.tokenizer), "temperature": 0.9}
    shared = answer_logps(model, groups, **options)
    found = gradients(model, shared[0])
    plain = plain_logps(model, groups, **options)
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=2e-5)
    assert_same_gradients(found, gradients(model, plain[0]))
    then = torch.tensor([p for _, made in sampled for c in made for p in c.logps])
    torch.testing.assert_close(shared[0], then, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("lora", (False, True))
def test_equals_plain_with_checkpointing(lora, model, groups) -> None:
    if lora:
        torch.manual_seed(0)
        model = add_lora(model, 4, 8, 0.0)
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=0.02)
    expected = gradients(model, plain_logps(model, groups, banned=[])[0])
    enable_checkpointing(model)
    model.train()
    assert_same_gradients(gradients(model, answer_logps(model, groups, banned=[])[0]), expected)


@pytest.mark.slow  # the quick suite has test_loss's
def test_microbatches_change_nothing(model, groups) -> None:
    with torch.no_grad():
        whole, _ = answer_logps(model, groups, banned=[])
        plan = microbatches(groups, 120)
        assert len(plan) > 2
        parts = torch.cat([answer_logps(model, slice_groups(groups, p), banned=[])[0] for p in plan])
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-5)
    assert len(whole) == sum(count_written(answer) for group in groups for answer in group.answers)


def test_a_response_is_never_learned_from(groups) -> None:
    """Other words of the tool move the predictions after them, and are no target themselves."""
    answer = next(a for a in groups[0].answers if isinstance(a, AnswerTokens))
    assert 0 < count_written(answer) < len(answer)
    assert not answer.written_A[answer.types_A > 0].any()


RECIPE = override(
    SHIPPED["mini"],
    ["model.device=cpu", "rl.steps=2", "rl.prompts=4", "rl.minibatch=2", "rl.group=3", "rl.max_tokens=6",
     "rl.filter_groups=false", "rl.save_every=1", "rl.keep=9", "rl.refill_tries=0", "tools.names=[zoom]"],
)  # fmt: skip


@pytest.fixture
def calling(monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy of every RL here calls zoom in every second answer."""
    made = rollout_engine.make_rollout_engine

    def make(*args, **kwargs):  # type: ignore[no-untyped-def]
        found = made(*args, **kwargs)
        return rollout_engine.RolloutEngine(Caller(found.engine, lambda request: ZOOM), found.ready, found.exact)

    monkeypatch.setattr(rl, "make_rollout_engine", make)


@pytest.fixture
def pictures(world) -> Samples:
    return Samples(tuple(s for s in world if s.modality == "image")[:6], world.root)


@pytest.mark.slow
def test_rl_over_turns_and_resumed_to_the_bit(pictures, calling, tmp_path: Path) -> None:
    import pyarrow.parquet as pq
    from safetensors.torch import load_file

    whole = run_rl(RECIPE, pictures, tmp_path / "whole")
    run_rl(RECIPE, pictures, tmp_path / "cut", stop_after=1)
    again = run_rl(RECIPE, pictures, tmp_path / "cut")
    one, two = (load_file(folder / "model.safetensors") for folder in (whole, again))
    assert all(torch.equal(one[name], two[name]) for name in one)
    rows = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert abs(rows[0]["ratio"] - 1) < 1e-4 and rows[0]["kl"] < 1e-6
    assert rows[0]["tools/calls"] == pytest.approx(2 / 3) and rows[0]["tools/failed"] == 0
    written = pq.read_table(tmp_path / "whole" / "rollouts" / "step-000001.parquet").to_pylist()
    turns = [json.loads(row["turns"]) for row in written if row["turns"]]
    assert len(turns) == 8 and all(t[0]["response"] == "[picture 1]" for t in turns)


def test_sft_learns_the_calls_and_not_the_responses(pictures, tmp_path: Path, encoder) -> None:
    from dataclasses import replace

    sample = replace(pictures[0], meta=dict(pictures[0].meta) | {"turns": [f"<think>small</think>{ZOOM}"]})
    samples = Samples((sample,), pictures.root)
    source = ExampleSource(samples, RECIPE, encoder)
    answer = source[0].answer
    assert isinstance(answer, AnswerTokens)
    words = encoder.tokenizer.decode(answer.ids_A[answer.written_A])
    assert words == f"<think>small</think>{ZOOM}<|im_end|>{sample.meta['response']}<|im_end|>"
    two = ExampleSource(samples, override(RECIPE, ["tools.turns=2"]), encoder)[0].answer
    said = [encoder.tokenizer.decode(a.ids_A[~a.written_A]) for a in (answer, two)]
    assert [LAST in words for words in said] == [False, True]  # as an answer of two turns is told
    plain = ExampleSource(samples, override(RECIPE, ["tools.names=[]"]), encoder)[0]
    assert plain.answer == answer.ids_A[answer.written_A][-len(plain.answer) :].tolist()
    for wrong in (7, "<tool_call></tool_call>", [ZOOM, 3], ["no call"], {"a": ZOOM}):
        bad = Samples((replace(sample, meta=dict(sample.meta) | {"turns": wrong}),), pictures.root)
        source = ExampleSource(bad, RECIPE, encoder)
        assert source.batch([0]) == [] and "ending in a" in source.problems[sample.id], wrong
    recipe = override(RECIPE, ["sft.steps=1", "sft.batch=1", "sft.optimizer.kind=adamw"])
    assert (run_sft(recipe, samples, tmp_path / "sft") / "model.safetensors").exists()


def test_a_run_does_not_go_on_with_another_knowledge_base(pictures, tmp_path: Path) -> None:
    facts = tmp_path / "facts.jsonl"
    facts.write_text('{"id": "a", "text": "marn 7"}')
    recipe = override(RECIPE, ["sft.steps=2", "sft.batch=1", "tools.names=[search]", f"tools.knowledge={facts}"])
    run_sft(recipe, pictures, tmp_path / "sft", stop_after=1)
    facts.write_text('{"id": "a", "text": "marn 9"}')
    with pytest.raises(RunError, match="is not what it was"):
        run_sft(recipe, pictures, tmp_path / "sft")
    facts.write_text('{"id": "a", "text": "marn 7"}')
    assert run_sft(recipe, pictures, tmp_path / "sft").name == "step-000002"
