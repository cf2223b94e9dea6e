"""A model with the words of a call as tokens: they are whole, and nothing else is another token than before."""

from __future__ import annotations

from pathlib import Path

import torch

from onethinker.models.call_tokens import CALL_TOKENS, add_call_tokens
from onethinker.models.load import load

CALL = '<tool_call>{"name":"zoom","arguments":{"box":[438,500,500,563]}}</tool_call>'


def test_words_of_a_call_become_tokens(tmp_path: Path) -> None:
    before, old = load("mini-sft", device="cpu")
    model, processor = load(str(add_call_tokens("mini-sft", tmp_path / "m")), device="cpu")
    ids = processor.tokenizer.encode(CALL, add_special_tokens=False)
    assert 2 * len(ids) < len(old.tokenizer.encode(CALL, add_special_tokens=False))
    assert processor.tokenizer.decode(ids) == CALL
    plain = '<think>big red circle 62 62 438 438</think><answer>{"boxes":[62,62,438,438]}</answer>'
    assert processor.tokenizer.encode(plain) == old.tokenizer.encode(plain)
    for mine, theirs in (
        (model.get_input_embeddings(), before.get_input_embeddings()),
        (model.get_output_embeddings(), before.get_output_embeddings()),
    ):
        size = len(theirs.weight)
        assert torch.equal(mine.weight[:size], theirs.weight) and len(mine.weight) == size + len(CALL_TOKENS)
        pieces = old.tokenizer.encode(CALL_TOKENS[0], add_special_tokens=False)
        row = processor.tokenizer.convert_tokens_to_ids(CALL_TOKENS[0])
        assert torch.allclose(mine.weight[row], theirs.weight[pieces].mean(0))
    assert (tmp_path / "m" / "onethinker.json").exists()
