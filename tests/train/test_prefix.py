"""The shared-prefix forward against the plain one: numbers, gradients, and how much passes through the model."""

from __future__ import annotations

import pytest
import torch

from onethinker.models.forward import banned_ids
from onethinker.train.plain import plain_logps
from onethinker.train.prefix import Group, answer_logps

MIXES = {
    "text": ["text"],
    "image": ["image"],
    "images": ["images"],
    "video": ["video"],
    "mixed": ["mixed"],
    "all": ["video", "text", "image", "mixed", "images"],
}


def groups_of(names, prompts, answers, n=4):
    return [Group(prompts[name], answers(n, seed)) for seed, name in enumerate(names)]


def gradients(model, logps_N, entropies_N):
    """Gradients of a loss that weighs every token differently."""
    weights = torch.linspace(-1, 2, len(logps_N))
    model.zero_grad()
    (weights * logps_N).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same_gradients(found, expected):
    assert found.keys() == expected.keys()
    largest = max(g.abs().max() for g in expected.values())
    for name, gradient in expected.items():
        scale = gradient.abs().max().clamp(min=1e-3 * largest)
        torch.testing.assert_close(
            found[name] / scale, gradient / scale, rtol=0, atol=1e-5, msg=lambda m: f"{name}: {m}"
        )


@pytest.mark.parametrize("mix", MIXES)
def test_equals_plain(mix, model, prompts, answers, processor):
    banned = banned_ids(processor.tokenizer)
    groups = groups_of(MIXES[mix], prompts, answers)
    model = model.double()  # differences below are then those of the method, not of the order of sums
    shared = answer_logps(model, groups, banned=banned, temperature=0.7)
    found = gradients(model, *shared)
    plain = plain_logps(model, groups, banned=banned, temperature=0.7)
    torch.testing.assert_close(shared, plain, rtol=1e-6, atol=1e-6)
    assert_same_gradients(found, gradients(model, *plain))
