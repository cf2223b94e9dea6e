"""Shared-prefix training forward: a prompt and its media pass through the model once for all of its answers.

The groups of a microbatch lie in one row without padding, `[prompt][answer 1]…[answer G][prompt]…`. Every answer's
positions go on from its prompt's end and its tokens see the prompt and themselves, so log-probabilities and gradients
are those of the plain computation, one row an answer, at a fraction of its work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from onethinker.engines.encode import GRIDS, PIXELS, AnswerTokens, Prompt, batch_media
from onethinker.models.forward import token_logps, unwrap
from onethinker.train.attention import Layout, Segment, use_shared_prefix


class TokenGroup(NamedTuple):
    """A prompt and its answers, end-of-turn tokens included: token ids, or the tokens of an answer of several turns,
    whose pictures are its own."""

    prompt: Prompt
    answers: Sequence[Sequence[int] | AnswerTokens]


def count_written(answer: Sequence[int] | AnswerTokens) -> int:
    """How many of an answer's tokens the model wrote, which are those that are predicted."""
    return int(answer.written_A.sum()) if isinstance(answer, AnswerTokens) else len(answer)


class GroupSlice(NamedTuple):
    """Answers `first` to `last` (exclusive) of the group at index `group`: what one forward pass takes of it."""

    group: int
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class PackedRow:
    """One row of T tokens that predicts N answer tokens.

    ids_T, types_T: as in `Prompt`; the last token of an answer predicts nothing and is left out of the row.
    positions_3T: M-RoPE. source_N: the place in the row that predicts each answer token. target_N: the token's id.
    """

    ids_T: Tensor
    positions_3T: Tensor
    types_T: Tensor
    source_N: Tensor
    target_N: Tensor
    layout: Layout


def answer_logps(
    model: nn.Module,
    groups: Sequence[TokenGroup],
    *,
    banned: list[int],
    temperature: float = 1.0,
    micro_tokens: int | None = None,
    always_run_vision: bool = False,
) -> tuple[Tensor, Tensor]:
    """Log-probabilities and entropies (N,) of all answer tokens, in the order groups, answers, tokens.

    banned, temperature: as in sampling, or the ratio at step 0 is not 1. micro_tokens: bound on the tokens of one pass,
    for use without gradients; with gradients call once for each of `microbatches`, or all graphs are alive at once.
    always_run_vision: run the vision tower on a blank picture where a pass has no media, so that every process of a
    sharded run enters the tower's collectives equally often.
    """
    core = unwrap(model)
    use_shared_prefix(core)
    if micro_tokens is None:
        return _pass(core, groups, banned, temperature, always_run_vision)
    passes = [
        _pass(core, slice_groups(groups, pieces), banned, temperature, always_run_vision)
        for pieces in microbatches(groups, micro_tokens)
    ]
    return torch.cat([logps for logps, _ in passes]), torch.cat([entropies for _, entropies in passes])


def microbatches(groups: Sequence[TokenGroup], micro_tokens: int) -> list[list[GroupSlice]]:
    """Split groups, in order, into passes of at most `micro_tokens` tokens.

    A group that fits no pass is cut, its prompt repeated; a prompt and one answer that exceed the bound go alone.
    """
    plan: list[list[GroupSlice]] = [[]]
    room = micro_tokens
    for index, (prompt, answers) in enumerate(groups):
        whole = len(prompt) + sum(map(len, answers))
        if plan[-1] and whole > room:
            plan.append([])
            room = micro_tokens
        first = 0
        while first < len(answers):
            last, used = first, len(prompt)
            while last < len(answers) and (last == first or used + len(answers[last]) <= room):
                used += len(answers[last])
                last += 1
            plan[-1].append(GroupSlice(index, first, last))
            first, room = last, room - used
            if first < len(answers):
                plan.append([])
                room = micro_tokens
    return [pieces for pieces in plan if pieces]


def slice_groups(groups: Sequence[TokenGroup], pieces: Sequence[GroupSlice]) -> list[TokenGroup]:
    """The groups of one pass."""
    return [TokenGroup(groups[p.group][0], groups[p.group][1][p.first : p.last]) for p in pieces]


def pack(groups: Sequence[TokenGroup], device: torch.device | str = "cpu") -> PackedRow:
    """Lay groups out in one row."""
    ids, positions, types, segments = [], [], [], []
    source: list[int] = []
    target: list[int] = []
    place = 0
    for prompt, answers in groups:
        start, place = place, place + len(prompt)
        ids.append(prompt.ids_T)
        positions.append(prompt.positions_3T)
        types.append(prompt.types_T)
        spans = []
        for answer in filter(len, answers):
            shown = len(answer) - 1
            answer_ids, answer_positions, answer_types, written = _laid_out(answer, prompt)
            ids.append(answer_ids[:-1])
            positions.append(answer_positions[:, :-1])
            types.append(answer_types[:-1])
            # The prompt's last token predicts the first token of every answer, each answer's own tokens the rest, but
            # for those that a tool wrote, which nothing predicts.
            predictors = [start + len(prompt) - 1, *range(place, place + shown)]
            source += compress(predictors, written)
            target += compress(answer_ids.tolist(), written)
            spans.append((place, place + shown))
            place += shown
        segments.append(Segment(start, start + len(prompt), tuple(s for s in spans if s[1] > s[0])))
    return PackedRow(
        torch.cat(ids).to(device),
        torch.cat(positions, dim=1).to(device),
        torch.cat(types).to(device),
        torch.tensor(source, device=device, dtype=torch.long),
        torch.tensor(target, device=device, dtype=torch.long),
        Layout(tuple(segments), device),
    )


def _laid_out(answer: Sequence[int] | AnswerTokens, prompt: Prompt) -> tuple[Tensor, Tensor, Tensor, Sequence[bool]]:
    """Ids (A,), positions (3, A), types (A,) of an answer, and which tokens the model wrote."""
    # Not the place in the row: every answer goes on from the prompt as if it were alone.
    if isinstance(answer, AnswerTokens):
        positions = answer.positions_3A + prompt.next_position
        return answer.ids_A, positions, answer.types_A.to(prompt.types_T.dtype), answer.written_A.tolist()
    count = len(answer)
    positions = (torch.arange(count) + prompt.next_position).expand(3, -1)
    types = torch.zeros(count, dtype=prompt.types_T.dtype)
    return torch.tensor(answer, dtype=torch.long), positions, types, [True] * count


def _with_media(groups: Sequence[TokenGroup]) -> list[Prompt | AnswerTokens]:
    """What has media, in the order of the row: each prompt, then those of its answers that have pictures."""
    found: list[Prompt | AnswerTokens] = []
    for prompt, answers in groups:
        found += [prompt, *(answer for answer in answers if isinstance(answer, AnswerTokens))]
    return found


def _pass(
    core: Any, groups: Sequence[TokenGroup], banned: list[int], temperature: float, always_run_vision: bool
) -> tuple[Tensor, Tensor]:
    device = core.lm_head.weight.device
    packed = pack(groups, device)
    embeds_TH = core.get_input_embeddings()(packed.ids_T)
    seen: dict[str, Any] = {}
    media = batch_media(_with_media(groups), device)
    if media:
        features, deep = vision_features(core, media, packed.types_T)
        visual_T = packed.types_T > 0
        embeds_TH = embeds_TH.index_put((visual_T.nonzero()[:, 0],), features.to(embeds_TH.dtype))
        seen = {"visual_pos_masks": visual_T[None], "deepstack_visual_embeds": deep}
    elif always_run_vision:
        # Times 0: the tower gets gradients of 0, and its collective operations happen in this process too.
        embeds_TH = embeds_TH + 0.0 * _dummy_vision_sum(core, device)
    hidden_TH = core.model.language_model(
        inputs_embeds=embeds_TH[None],
        position_ids=packed.positions_3T[:, None],
        use_cache=False,
        **packed.layout.arguments(core.model.language_model.config),
        **seen,
    ).last_hidden_state[0]
    return token_logps(hidden_TH[packed.source_N], core.lm_head, packed.target_N, banned, temperature)


def vision_features(core: Any, media: dict[str, Tensor], types_T: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Features (V, H) of the V visual tokens in the row's order, and those of every DeepStack layer.

    Images and clips pass the vision tower together, in one call.
    """
    pixels = torch.cat([media[key] for key in PIXELS if key in media])
    grids = torch.cat([media[key] for key in GRIDS if key in media])
    out = core.model.get_image_features(pixels, grids, return_dict=True)
    # The tower gives all images, then all clips; the row has them as the prompts' texts do.
    visual = types_T[types_T > 0]
    order = torch.empty_like(visual, dtype=torch.long)
    images = int((visual == 1).sum())
    order[visual == 1] = torch.arange(images, device=visual.device)
    order[visual == 2] = torch.arange(images, len(visual), device=visual.device)
    return torch.cat(list(out.pooler_output))[order], [torch.cat(list(d))[order] for d in out.deepstack_features]


def _dummy_vision_sum(core: Any, device: torch.device) -> Tensor:
    """A number that depends on the whole vision tower, of a blank picture of one token."""
    config = core.model.visual.config
    side = config.spatial_merge_size
    width = config.in_channels * config.temporal_patch_size * config.patch_size**2
    pixels = torch.zeros(side * side, width, device=device)
    out = core.model.get_image_features(pixels, torch.tensor([[1, side, side]], device=device), return_dict=True)
    return sum((torch.cat(list(d)).sum() for d in out.deepstack_features), torch.cat(list(out.pooler_output)).sum())
