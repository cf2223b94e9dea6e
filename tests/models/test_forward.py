"""Log-probabilities in as many pieces as memory allows: the same numbers and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from onethinker.models import forward

ROWS, WIDTH, VOCABULARY, BANNED = 11, 6, 13, [4, 7]


@pytest.mark.parametrize("rows", [1, 3, ROWS])
def test_few_logits_at_a_time_give_the_same(rows, monkeypatch):
    torch.manual_seed(0)
    head, hidden = nn.Linear(WIDTH, VOCABULARY, bias=False), torch.randn(ROWS, WIDTH, requires_grad=True)
    ids = torch.tensor([0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12])
    logits = head(hidden) / 0.7
    logits[:, BANNED] = -torch.inf
    draws = torch.distributions.Categorical(logits=logits)
    expected = torch.autograd.grad(draws.log_prob(ids).sum(), (hidden, head.weight), retain_graph=True)
    seen = []
    head.register_forward_hook(lambda module, given, out: seen.append(len(out)))
    monkeypatch.setattr(forward, "MAX_LOGITS", rows * VOCABULARY + 1)
    logps, entropies = forward.token_logps(hidden, head, ids, BANNED, temperature=0.7)
    torch.testing.assert_close(logps, draws.log_prob(ids))
    torch.testing.assert_close(entropies, draws.entropy(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.autograd.grad(logps.sum(), (hidden, head.weight)), expected)
    assert max(seen) == rows


def test_bfloat16_passes_keep_no_copies_of_weights_to_their_end(monkeypatch):
    monkeypatch.setattr(forward, "usable_dtype", lambda device, dtype: dtype)
    with forward.autocast(torch.device("cpu"), "bfloat16"):
        assert torch.is_autocast_enabled("cpu") and not torch.is_autocast_cache_enabled()
    with forward.autocast(torch.device("cpu"), "float32"):
        assert not torch.is_autocast_enabled("cpu")
