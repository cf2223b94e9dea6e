"""Decoding steps against the library's own forward over the whole text, as rows and prompts leave."""

from __future__ import annotations

import pytest
import torch

from onethinker.models.cache import GrowingCache
from onethinker.models.compat import cache_argument
from onethinker.models.decode import Decoder
from onethinker.models.forward import unwrap
from onethinker.models.load import add_lora

LENGTHS, ANSWERS = (7, 3, 11), 4


def prefill(core, ids):
    """Three text prompts padded on the left: their cache, mask and next positions."""
    longest = max(LENGTHS)
    mask = torch.tensor([[0] * (longest - n) + [1] * n for n in LENGTHS])
    cache = GrowingCache()
    core.model.language_model(
        inputs_embeds=core.get_input_embeddings()(ids),
        attention_mask=mask,
        position_ids=(mask.cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1),
        **{cache_argument(core.model.language_model): cache},
        use_cache=True,
    )
    return cache, mask, torch.tensor(LENGTHS)


def plain(core, ids, prompt, written):
    """Last hidden state of one prompt and what an answer has written, through the library."""
    text = torch.cat([ids[prompt, -LENGTHS[prompt] :], torch.tensor(written)])
    return core.model(input_ids=text[None], use_cache=False).last_hidden_state[0, -1]


@pytest.mark.parametrize("lora", [False, True])
@torch.no_grad()
def test_equals_the_library_as_rows_leave(lora, mini_model):
    model = mini_model
    if lora:
        model = add_lora(mini_model, rank=4, alpha=8, dropout=0.0).eval()
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    core, draw = unwrap(model), torch.Generator().manual_seed(0)
    ids = torch.randint(10, 200, (len(LENGTHS), max(LENGTHS)), generator=draw)
    decoder = Decoder(core, *prefill(core, ids), ANSWERS)
    rows = [(prompt, []) for prompt in range(len(LENGTHS)) for _ in range(ANSWERS)]
    leaving = {1: [0, 5], 3: [1, 2, 3], 4: [0]}  # ragged, then all that is left of a prompt, then one more
    for step in range(6):
        tokens = torch.randint(10, 200, (len(rows),), generator=draw)
        for (_, written), token in zip(rows, tokens.tolist(), strict=True):
            written.append(token)
        found = decoder.step(tokens)
        expected = torch.stack([plain(core, ids, prompt, written) for prompt, written in rows])
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)
        kept = [i for i in range(len(rows)) if i not in leaving.get(step, [])]
        if len(kept) < len(rows):
            decoder.keep(torch.tensor(kept))
            rows = [rows[i] for i in kept]
        prompts = {prompt for prompt, _ in rows}
        assert {len(keys) for keys, _ in decoder.prompts} == {len(prompts)}, "a prompt's keys exist once, while needed"
