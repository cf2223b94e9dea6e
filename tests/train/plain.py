"""The plain training forward, one padded row an answer: what `prefix` must equal, and what it is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from onethinker.engines.encode import GRIDS, AnswerTokens, Prompt, batch_media
from onethinker.models.forward import token_logps, unwrap
from onethinker.train.prefix import TokenGroup


def plain_logps(
    model: nn.Module, groups: Sequence[TokenGroup], *, banned: list[int], temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """As `prefix.answer_logps`, through the model's own forward on a (answers, longest) batch padded on the right."""
    core = unwrap(model)
    device = core.lm_head.weight.device
    rows = [(prompt, _whole(answer)) for prompt, answers in groups for answer in answers if len(answer)]
    ids = [torch.cat([prompt.ids_T, answer.ids_A]) for prompt, answer in rows]
    positions = [_positions(core, prompt, answer) for prompt, answer in rows]
    hidden_BTH = core.model(
        input_ids=pad_sequence(ids, batch_first=True).to(device),
        attention_mask=pad_sequence([torch.ones_like(i) for i in ids], batch_first=True).to(device),
        position_ids=pad_sequence(positions, batch_first=True).permute(2, 0, 1).to(device),
        use_cache=False,
        **batch_media([part for row in rows for part in row], device),
    ).last_hidden_state
    predicting = [hidden_BTH[i, len(p) - 1 : len(p) - 1 + len(a)][a.written_A] for i, (p, a) in enumerate(rows)]
    target_N = torch.cat([answer.ids_A[answer.written_A] for _, answer in rows]).to(device)
    return token_logps(torch.cat(predicting), core.lm_head, target_N, banned, temperature)


def _whole(answer: Sequence[int] | AnswerTokens) -> AnswerTokens:
    if isinstance(answer, AnswerTokens):
        return answer
    ids = torch.tensor(answer)
    zeros = torch.zeros(len(ids), dtype=torch.long)
    return AnswerTokens(ids, zeros.expand(3, -1), zeros, torch.ones(len(ids), dtype=torch.bool), {})


def _positions(core: Any, prompt: Prompt, answer: AnswerTokens) -> Tensor:
    """(T, 3) positions of prompt and answer as the model itself counts them."""
    media = batch_media([prompt, answer], "cpu")
    positions, _ = core.model.get_rope_index(
        torch.cat([prompt.ids_T, answer.ids_A])[None],
        mm_token_type_ids=torch.cat([prompt.types_T, answer.types_A])[None],
        **{key: media[key] for key in GRIDS if key in media},
    )
    return positions[:, 0].T
