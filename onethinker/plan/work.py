"""FLOPs of a step, by pass and by part of the model, for typical samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker.plan import counts

Flops = dict[str, dict[str, float]]
"""Pass → part of the model (vision, projector, language, head) → FLOPs."""


@dataclass(frozen=True)
class Work:
    """Typical samples. config: the model's. mixture: (share of the samples, media). text: tokens of their words."""

    config: Any
    mixture: Sequence[tuple[float, counts.Media]]
    text: int

    @property
    def prompt(self) -> float:
        """Tokens of a prompt, images and clips averaged."""
        return self.text + sum(share * media.tokens for share, media in self.mixture)

    def forward(self, samples: int, answer: int, answers: int) -> dict[str, float]:
        """One pass over so many prompts, each once for all of its answers."""
        flops = {"vision": 0.0, "projector": 0.0, "language": 0.0, "head": 0.0}
        for share, media in self.mixture:
            prompt, part = media.tokens + self.text, share * samples
            flops["vision"] += part * counts.vision_flops(self.config, media)
            flops["projector"] += part * counts.projector_flops(self.config, media)
            pairs = counts.causal_pairs(prompt, answer, answers)
            flops["language"] += part * counts.language_flops(self.config, prompt + answers * answer, pairs)
            flops["head"] += part * counts.head_flops(self.config, answers * answer)
        return flops

    def training(
        self, samples: int, answer: int, answers: int, learns: Mapping[str, bool], *, again: bool, reference: bool
    ) -> Flops:
        """A step's passes. A backward pass costs two forward passes where weights learn and one where gradients only
        pass through. again: layers are computed again for it. reference: passes over the same too."""
        forward = self.forward(samples, answer, answers)
        through = {"vision": learns["vision"], "projector": learns["vision"], "language": True, "head": True}
        backward = {part: f * (learns[part] + (through[part] or learns[part])) for part, f in forward.items()}
        flops = {"forward": forward, "backward": backward}
        if again:
            repeated = {"language": forward["language"], "vision": forward["vision"] * learns["vision"]}
            flops["computed again"] = repeated
        if reference:
            flops["reference"] = forward
        return flops

    def answering(self, prompts: int, group: int, answer: int) -> Flops:
        """Prompts read once, and so many answers to each written."""
        asked = self.forward(prompts, 0, 0)
        both = self.forward(prompts, answer, group)
        return {"prefill": asked, "decoding": {part: both[part] - asked[part] for part in both}}


def totals(flops: Flops) -> dict[str, float]:
    """By pass, of all parts."""
    return {name: sum(parts.values()) for name, parts in flops.items()}
