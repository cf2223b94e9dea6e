"""The shared-prefix forward against the plain one: numbers, gradients, and how much passes through the model."""

from __future__ import annotations

import pytest
import torch
import torch._dynamo
import torch.nn.attention.flex_attention
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.engines.base import Sampling
from onethinker.engines.local import LocalEngine
from onethinker.models.compat import enable_checkpointing
from onethinker.models.forward import banned_ids, unwrap
from onethinker.models.load import add_lora
from onethinker.train.prefix import TokenGroup, answer_logps, microbatches, pack, slice_groups
from tests.amount import many, thinned
from tests.train.plain import plain_logps

MIXES = {
    "text": ["text"],
    "image": ["image"],
    "images": ["images"],
    "video": ["video"],
    "mixed": ["mixed"],
    "all": ["video", "text", "image", "mixed", "images"],
}


def groups_of(names, prompts, answers, n=4):
    return [TokenGroup(prompts[name], answers(n, seed)) for seed, name in enumerate(names)]


def gradients(model, logps_N):
    """Gradients of a loss that weighs every token differently."""
    model.zero_grad()
    (torch.linspace(-1, 2, len(logps_N)) * logps_N).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_gradients(found, expected, tolerance=1e-5):
    """The largest difference, relative to the parameter's largest gradient, is below the tolerance."""
    assert found.keys() == expected.keys()
    floor = 1e-3 * max(g.abs().max() for g in expected.values())
    for name, gradient in expected.items():
        difference = (found[name] - gradient).abs().max() / gradient.abs().max().clamp(min=floor)
        assert difference < tolerance, (name, float(difference))


@pytest.mark.parametrize("mix", thinned(MIXES, "text", "mixed"))
def test_equals_plain(mix, model, prompts, answers, mini_processor):
    options = {"banned": banned_ids(mini_processor.tokenizer), "temperature": 0.7}
    groups = groups_of(MIXES[mix], prompts, answers)
    shared = answer_logps(model, groups, **options)
    found = gradients(model, shared[0])
    plain = plain_logps(model, groups, **options)
    torch.testing.assert_close(shared, plain, rtol=1e-5, atol=2e-5)
    assert_same_gradients(found, gradients(model, plain[0]))
    assert any("visual" in name for name in found) == (mix != "text")


@pytest.mark.parametrize("lora", thinned([False, True], True))
def test_equals_plain_with_checkpointing(lora, model, prompts, answers):
    groups = groups_of(MIXES["all"], prompts, answers)
    if lora:
        model = add_lora(model, rank=4, alpha=8, dropout=0.0)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
    plain = gradients(model, plain_logps(model, groups, banned=[])[0])
    model.train()
    enable_checkpointing(unwrap(model))
    again = 0

    def count(*_):
        nonlocal again
        again += 1

    unwrap(model).model.language_model.layers[1].mlp.register_forward_pre_hook(count)
    assert_same_gradients(gradients(model, answer_logps(model, groups, banned=[])[0]), plain)
    assert again == 2, "the layer should run once forward and once more in the backward pass"


@pytest.mark.parametrize("kind", thinned(["image", "images", "video", "mixed"], "mixed"))
def test_prompt_and_media_pass_once(kind, model, prompts, answers):
    prompt = prompts[kind]
    passed = {}
    model.model.visual.patch_embed.register_forward_hook(lambda m, i, o: passed.update(patches=len(o)))
    model.model.language_model.layers[0].register_forward_hook(
        lambda m, i, o: passed.update(tokens=o.shape[0] * o.shape[1])
    )
    for n in (2, 8):
        group = TokenGroup(prompt, answers(n))
        answer_logps(model, [group], banned=[])
        answered = sum(len(a) - 1 for a in group.answers)
        assert passed["tokens"] - answered == len(prompt)
        grids = [prompt.media[key] for key in prompt.media if "grid" in key]
        assert passed["patches"] == sum(int(g.prod(-1).sum()) for g in grids)


def test_media_change_the_answer_and_train_the_tower(model, prompts, answers):
    for kind, key in (("image", "pixel_values"), ("video", "pixel_values_videos")):
        group = TokenGroup(prompts[kind], answers(3))
        logps = answer_logps(model, [group], banned=[])[0]
        found = gradients(model, logps)
        assert found["model.visual.patch_embed.proj.weight"].abs().max() > 0
        assert found["model.visual.deepstack_merger_list.0.linear_fc1.weight"].abs().max() > 0
        blank = group.prompt.media | {key: torch.zeros_like(group.prompt.media[key])}
        other = type(group.prompt)(group.prompt.ids_T, group.prompt.positions_3T, group.prompt.types_T, blank)
        assert (answer_logps(model, [TokenGroup(other, group.answers)], banned=[])[0] - logps).abs().max() > 1e-3


@pytest.mark.parametrize("temperature", thinned([1.0, 0.6], 0.6))
def test_equals_the_rollout(temperature, model, encoder, requests, prompts):
    """The probabilities of sampling are those of training, so that the first ratio is 1."""
    engine = LocalEngine(model, encoder)
    names = list(requests)
    sampling = Sampling(n=4, temperature=temperature, max_tokens=12, seed=3)
    completions = dict(engine.answer([requests[n] for n in names], sampling))
    groups = [TokenGroup(prompts[n], [c.token_ids for c in completions[i]]) for i, n in enumerate(names)]
    rolled = torch.tensor([logp for i in range(len(names)) for c in completions[i] for logp in c.logps])
    with torch.no_grad():
        trained, _ = answer_logps(model, groups, banned=engine.banned, temperature=temperature)
        unbanned, _ = answer_logps(model, groups, banned=[], temperature=temperature)
    torch.testing.assert_close(trained, rolled, rtol=0, atol=3e-5)
    assert (unbanned - rolled).abs().max() > 1e-4, "leaving the banned tokens in should be noticed"


def test_reference_is_exact_at_the_start(model, prompts, answers):
    """LoRA's adapters begin at nothing: switched off, the model is bitwise the policy, so the KL is exactly 0."""
    groups = groups_of(MIXES["all"], prompts, answers)
    model = add_lora(model, rank=4, alpha=8, dropout=0.0)
    policy, _ = answer_logps(model, groups, banned=[])
    with torch.no_grad(), model.disable_adapter():
        reference, _ = answer_logps(model, groups, banned=[])
    assert torch.equal(policy, reference)


@pytest.mark.slow
def test_microbatches_change_nothing(model, prompts, answers):
    groups = groups_of(MIXES["all"], prompts, answers, n=8)
    whole = answer_logps(model, groups, banned=[])
    found = gradients(model, whole[0])
    with torch.no_grad():
        torch.testing.assert_close(answer_logps(model, groups, banned=[], micro_tokens=64), whole, rtol=1e-5, atol=2e-5)
    model.zero_grad()
    weights, place = torch.linspace(-1, 2, len(whole[0])), 0
    for pieces in microbatches(groups, 64):
        logps, _ = answer_logps(model, slice_groups(groups, pieces), banned=[])
        (weights[place : place + len(logps)] * logps).sum().backward()
        place += len(logps)
    accumulated = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert_same_gradients(accumulated, found)


def test_a_blank_picture_enters_the_tower_and_changes_nothing(model, prompts, answers):
    groups = groups_of(["text"], prompts, answers)
    without = answer_logps(model, groups, banned=[])[0]
    entered = []
    model.model.visual.register_forward_hook(lambda *_: entered.append(1))
    with_blank = answer_logps(model, groups, banned=[], always_run_vision=True)[0]
    assert entered == [1] and torch.equal(without, with_blank)
    found = gradients(model, with_blank)
    assert all(not found[name].any() for name in found if "visual" in name)
    mixed = groups_of(["video", "image"], prompts, answers)
    answer_logps(model, mixed, banned=[], always_run_vision=True)
    assert entered == [1, 1], "images and clips should enter the tower in one call"


def test_short_and_missing_answers(model, prompts):
    """A one-token answer adds no token to the row; an answer without tokens (an engine's failure) is no answer."""
    groups = [
        TokenGroup(prompts["image"], [[20], [], [21, 22]]),
        TokenGroup(prompts["text"], [[]]),
        TokenGroup(prompts["text"], [[9]]),
    ]
    packed = pack(groups)
    assert len(packed.ids_T) == len(prompts["image"]) + 1 + 2 * len(prompts["text"])
    torch.testing.assert_close(
        answer_logps(model, groups, banned=[]), plain_logps(model, groups, banned=[]), rtol=1e-5, atol=2e-5
    )


def test_generation_still_works_afterwards(model, encoder, requests, prompts, answers):
    before = LocalEngine(model, encoder)
    sampling = Sampling(n=2, temperature=1.0, max_tokens=6, seed=1)
    first = dict(before.answer([requests["mixed"]], sampling))
    answer_logps(model, groups_of(["mixed"], prompts, answers), banned=[])
    second = dict(before.answer([requests["mixed"]], sampling))
    assert [c.token_ids for c in first[0]] == [c.token_ids for c in second[0]]


@pytest.mark.slow
def test_flex_attention_equals(model, prompts, answers, monkeypatch):
    """FlexAttention's own way through the model, forward and uncompiled: all that it can do on a CPU."""
    monkeypatch.setattr(torch.nn.attention.flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    groups = groups_of(MIXES["all"], prompts, answers)
    with torch.no_grad(), torch._dynamo.config.patch(disable=True):
        expected = answer_logps(model, groups, banned=[])
        model.model.language_model.config._attn_implementation = "flex_attention"
        found = answer_logps(model, groups, banned=[])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)


def test_refuses_an_attention_that_cannot(model, prompts, answers):
    model.model.language_model.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ValueError, match=r"flash_attention_2.*sdpa"):
        answer_logps(model, groups_of(["text"], prompts, answers), banned=[])


@settings(max_examples=many(200, 25), deadline=None)
@given(
    lengths=st.lists(st.tuples(st.integers(1, 40), st.lists(st.integers(0, 30), min_size=1, max_size=6)), max_size=6),
    room=st.integers(1, 120),
)
def test_plan_covers_every_answer_once(lengths, room):
    groups = [TokenGroup(range(prompt), [range(a) for a in answers]) for prompt, answers in lengths]
    plan = microbatches(groups, room)
    covered = [(p.group, a) for pieces in plan for p in pieces for a in range(p.first, p.last)]
    assert covered == [(g, a) for g, (_, answers) in enumerate(lengths) for a in range(len(answers))]
    for pieces in plan:
        tokens = sum(len(g.prompt) + sum(map(len, g.answers)) for g in slice_groups(groups, pieces))
        assert tokens <= room or (len(pieces) == 1 and pieces[0].last - pieces[0].first == 1)
