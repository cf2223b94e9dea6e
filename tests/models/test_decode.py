"""Decoding steps against the library's own forward over the whole text, as rows and prompts leave."""

from __future__ import annotations

import pytest
import torch

from onethinker.models.cache import GrowingCache
from onethinker.models.compat import cache_argument
from onethinker.models.decode import Decoder
from onethinker.models.forward import unwrap
from onethinker.models.load import add_lora
from tests.amount import many, thinned

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


@pytest.mark.parametrize("lora", thinned([False, True], True))
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


@torch.no_grad()
def test_prompts_join_between_steps_and_nothing_is_kept_for_what_left(mini_model):
    core, draw = unwrap(mini_model), torch.Generator().manual_seed(1)

    def started(*lengths, answers=1):
        ids = [torch.randint(10, 200, (n,), generator=draw) for n in lengths]
        longest = max(lengths)
        padded = torch.stack([torch.cat([torch.zeros(longest - len(i), dtype=torch.long), i]) for i in ids])
        mask = torch.tensor([[0] * (longest - n) + [1] * n for n in lengths])
        cache = GrowingCache()
        core.model.language_model(
            inputs_embeds=core.get_input_embeddings()(padded), attention_mask=mask, use_cache=True,
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0).expand(3, -1, -1),
            **{cache_argument(core.model.language_model): cache},
        )  # fmt: skip
        counts = torch.tensor([answers] * len(lengths)) if isinstance(answers, int) else torch.tensor(answers)
        rows = [(i, []) for i, count in zip(ids, counts.tolist(), strict=True) for _ in range(count)]
        return Decoder(core, cache, mask, torch.tensor(lengths), counts), rows

    decoder, rows = started(90, 5, answers=[1, 3])
    arrivals = {0: (4,), 3: (8, 2), 70: (3,), 75: (200,), 76: (6,)}
    leaving = {40: (90,), 72: (5, 4, 8, 2), 110: (200,)}
    for step in range(150):
        if step in arrivals:
            other, more = started(*arrivals[step])
            decoder.join(other)
            rows += more
        tokens = torch.randint(10, 200, (len(rows),), generator=draw)
        for (_, written), token in zip(rows, tokens.tolist(), strict=True):
            written.append(token)
        found = decoder.step(tokens)
        if step % many(10, 30) in (0, 6):
            texts = [torch.cat([ids, torch.tensor(written)]) for ids, written in rows]
            expected = [core.model(input_ids=text[None], use_cache=False).last_hidden_state[0, -1] for text in texts]
            torch.testing.assert_close(found, torch.stack(expected), rtol=1e-5, atol=5e-5)
        gone = leaving.get(step, ())
        kept = [i for i, (ids, _) in enumerate(rows) if len(ids) not in gone]
        if len(kept) < len(rows):
            decoder.keep(torch.tensor(kept))
            rows = [rows[i] for i in kept]
    assert len(rows) == 2 and decoder.written.get_seq_length() == len(rows[0][1]) < 150, "old columns are dropped"
    assert decoder.prompts[0][0].shape[2] < 64, "and those of long prompts"
