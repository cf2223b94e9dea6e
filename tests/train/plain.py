"""The plain training forward, one padded row an answer: what `prefix` must equal, and what it is measured against."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from onethinker.engines.encode import batch_media
from onethinker.models.forward import token_logps, unwrap
from onethinker.train.prefix import TokenGroup


def plain_logps(
    model: nn.Module, groups: Sequence[TokenGroup], *, banned: list[int], temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """As `prefix.answer_logps`, through the model's own forward on a (answers, longest) batch padded on the right."""
    core = unwrap(model)
    device = core.lm_head.weight.device
    rows = [(prompt, list(answer)) for prompt, answers in groups for answer in answers if answer]
    ids = [torch.cat([prompt.ids_T, torch.tensor(answer)]) for prompt, answer in rows]
    positions = [
        torch.cat([p.positions_3T, (torch.arange(len(a)) + p.next_position).expand(3, -1)], dim=1).T for p, a in rows
    ]
    hidden_BTH = core.model(
        input_ids=pad_sequence(ids, batch_first=True).to(device),
        attention_mask=pad_sequence([torch.ones_like(i) for i in ids], batch_first=True).to(device),
        position_ids=pad_sequence(positions, batch_first=True).permute(2, 0, 1).to(device),
        use_cache=False,
        **batch_media([prompt for prompt, _ in rows], device),
    ).last_hidden_state
    predicting = [hidden_BTH[i, len(p) - 1 : len(p) - 1 + len(a)] for i, (p, a) in enumerate(rows)]
    target_N = torch.tensor([token for _, answer in rows for token in answer], device=device)
    return token_logps(torch.cat(predicting), core.lm_head, target_N, banned, temperature)
