"""What a recipe needs, estimated from its model's shapes alone: parameters, memory by part, FLOPs, tokens and time.

With `parallel=fsdp` weights, gradients, the optimiser's states and the reference are divided over the GPUs; with `ddp`
they stand whole on every one. What a pass keeps is not divided, nor are the weights that FSDP's processes gather whole
while they answer (`DistributedModel.unsharded`). Memory is that of the longest pass that the recipe allows, time that
of a typical sample; both are assumptions that stand in the output.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onethinker.media import MediaBudget
from onethinker.models.forward import max_logit_positions
from onethinker.models.published import meta_model
from onethinker.plan import counts
from onethinker.plan.machine import Rate, Typical
from onethinker.plan.pace import Decoding, Exchanged, Held, busiest, training_seconds, update_passes
from onethinker.recipes import Recipe
from onethinker.recipes.base import RLConfig, SFTConfig, sft_steps
from onethinker.train.optimizer import is_layer_matrix

GB = 1e9
USABLE = 0.92
"""Share of a GPU's memory that tensors may take; the rest is the driver's and lost between blocks."""


@dataclass(frozen=True)
class Stage:
    """One stage's needs. trained: weights that learn. memory: bytes a GPU by part. flops: of one step on all GPUs
    together, by part. tokens: of prompts and answers in a step. parts: seconds of a step at the assumed rate, by what
    takes them. exchanged: with other GPUs in a step. items: what is dealt out to GPUs at a time. steps: of the whole
    stage, None where the data decide and their number is not known. length: what decides the steps, in words, where the
    recipe does not say them."""

    trained: int
    memory: Mapping[str, float]
    flops: Mapping[str, float]
    tokens: Mapping[str, float]
    parts: Mapping[str, float]
    exchanged: Exchanged
    items: int
    steps: int | None
    length: str = ""

    @property
    def seconds(self) -> float:
        return sum(self.parts.values())

    @property
    def peak(self) -> float:
        return sum(self.memory.values())


@dataclass(frozen=True)
class Plan:
    """parameters: counts by part. activations: bytes that SFT's and RL's longest pass keeps, by whether gradient
    checkpointing is on."""

    parameters: Mapping[str, int]
    stages: Mapping[str, Stage]
    activations: Mapping[str, Mapping[bool, float]]
    gpus: int

    def fits(self, memory: float) -> bool:
        """memory: GB a GPU."""
        return max(stage.peak for stage in self.stages.values()) <= USABLE * memory * GB


def make_plan(
    recipe: Recipe, gpus: int, rate: Rate | None = None, typical: Typical | None = None, samples: int | None = None
) -> Plan:
    """Estimate a recipe's needs. samples: how many SFT learns from, which `sft.epochs` counts.

    Raises ValueError for fewer than 1 GPU, ModelError for a model of unknown shapes.
    """
    if gpus < 1:
        raise ValueError(f"gpus is {gpus}; expected 1 or more")
    return _Estimator(recipe, _shapes(recipe.model.base), gpus, rate or Rate(), typical or Typical(), samples).plan()


class _Shapes:
    """A model's configuration and parameters. Walked once: an estimate asks for them dozens of times."""

    def __init__(self, base: str) -> None:
        model = meta_model(base)
        self.config = model.config
        self.named = list(model.named_parameters())
        self.counted = counts.parameters(model)
        layers = model.model.language_model.layers
        self.layer = sum(p.numel() for p in layers[0].parameters())
        self.layers = sum(p.numel() for p in layers.parameters())
        self.units = len(layers) + len(model.model.visual.blocks) + 1
        self.embedding = model.get_input_embeddings().weight.numel()


_shapes = functools.cache(_Shapes)


@dataclass(frozen=True)
class _Estimator:
    """One recipe on one set of GPUs, stage by stage."""

    recipe: Recipe
    model: _Shapes
    gpus: int
    rate: Rate
    typical: Typical
    samples: int | None = None

    @property
    def parts(self) -> int:
        """Into how many parts what the model needs is divided: 1 where every GPU holds a copy."""
        return self.gpus if self.recipe.parallel == "fsdp" else 1

    @property
    def config(self) -> Any:
        return self.model.config

    @property
    def stored(self) -> str:
        """Type of the weights: float32 unless adapters train beside frozen ones."""
        return self.recipe.model.dtype if self.recipe.lora.rank else "float32"

    def plan(self) -> Plan:
        rl, sft = self.recipe.rl, self.recipe.sft
        stages = {"SFT": self.sft(), "RL rollouts": self.rollouts(), "RL updates": self.updates()}
        kept = {
            name: {flag: self.activations(stage.freeze_vision, longest, media).kept(flag) for flag in (False, True)}
            for name, stage, longest, media in (
                ("SFT", sft, self.longest_sft, sft.budget or self.recipe.media),
                ("RL", rl, self.longest_rl, self.recipe.media),
            )
        }
        return Plan(self.model.counted, stages, kept, self.gpus)

    # ---- memory ----------------------------------------------------------------------------------------------------

    def trained(self, stage: SFTConfig | RLConfig) -> int:
        """Weights that learn: adapters alone, or all that are not frozen."""
        return self.adapters or sum(p.numel() for _, p in self.learning(stage))

    def learning(self, stage: SFTConfig | RLConfig) -> list[tuple[str, Any]]:
        frozen = {"vision tower": stage.freeze_vision, "projector": stage.freeze_projector}
        return [(n, p) for n, p in self.model.named if not frozen.get(counts.part_of(n))]

    def optimizer_states(self, stage: SFTConfig | RLConfig) -> int:
        """Bytes: AdamW keeps two float32 numbers a weight, Muon one for each of the layers' matrices."""
        if stage.optimizer.kind == "adamw":
            return 8 * self.trained(stage)
        matrices = self.adapters or sum(p.numel() for n, p in self.learning(stage) if is_layer_matrix(n, p))
        return 8 * self.trained(stage) - 4 * matrices

    @property
    def adapters(self) -> int:
        """Low-rank adapters stand beside every projection of the language model."""
        linear = [p for n, p in self.model.named if "language_model" in n and n.endswith("proj.weight")]
        return self.recipe.lora.rank * sum(sum(p.shape) for p in linear)

    def weights(self, stage: SFTConfig | RLConfig) -> dict[str, float]:
        """Bytes a GPU of weights, the optimiser's states, and the copies that a pass computes with."""
        kind = {"adamw": "AdamW states", "muon": "Muon and AdamW states"}[stage.optimizer.kind]
        return {
            "weights": self.whole_weights / self.parts,
            kind: self.optimizer_states(stage) / self.parts,
            "gathered or cast weights": self.working_copies(stage),
        }

    def gradients_in_work(self, stage: SFTConfig | RLConfig) -> float:
        """Bytes of the largest gradient until it is added to what is there: of the embedding, twice where it is the
        head too. FSDP has the whole ones of embedding and head until each GPU is given its part."""
        if self.recipe.lora.rank:
            return 0.0
        tied = not self.model.counted["head"]
        return 4.0 * self.model.embedding * (2 if tied or self.parts > 1 else 1)

    @property
    def whole_weights(self) -> float:
        """Bytes of all weights, adapters included, as they are stored."""
        return sum(self.model.counted.values()) * counts.WIDTH[self.stored] + self.adapters * 4

    def working_copies(self, stage: SFTConfig | RLConfig) -> float:
        """FSDP holds the outermost unit (embedding and head) and two layers, of which one is fetched ahead, as they are
        stored. Of weights that train and are computed with in another type the pass keeps copies in that type: of all,
        or with gradient checkpointing of the layer and the outermost unit in work."""
        counted, layer = self.model.counted, self.model.layer
        outer = counted["language model"] - self.model.layers + counted["head"]
        gathered = (outer + 2 * layer) * counts.WIDTH[self.stored] if self.parts > 1 else 0
        dtype, trained = self.recipe.model.dtype, self.trained(stage)
        copied = min(trained, outer + layer) if stage.gradient_checkpointing else trained
        return gathered + (copied * counts.WIDTH[dtype] if dtype != "float32" else 0)

    def activations(self, freeze_vision: bool, tokens: int, budget: MediaBudget) -> counts.Activations:
        kept = counts.text_activations(self.config, tokens, self.stored, self.recipe.model.dtype)
        if freeze_vision or self.recipe.lora.rank:
            return kept
        media = max((media for _, media in self.mixture(budget)), key=lambda m: m.tokens)
        samples = max(1, tokens // (media.tokens + self.typical.text_tokens))
        return kept + counts.vision_activations(
            self.config, samples * media.patches, self.stored, self.recipe.model.dtype
        )

    def logits(self, tokens: int) -> float:
        vocabulary = self.config.text_config.vocab_size
        return min(tokens, max_logit_positions(vocabulary)) * vocabulary * counts.LOGIT_BYTES

    @property
    def longest_sft(self) -> int:
        return max(self.recipe.sft.micro_tokens, self.recipe.sft.max_tokens)

    @property
    def longest_rl(self) -> int:
        return max(self.recipe.rl.micro_tokens, self.recipe.rl.max_prompt_tokens + self.recipe.rl.max_tokens)

    # ---- stages ----------------------------------------------------------------------------------------------------

    def media(self, budget: MediaBudget) -> tuple[counts.Media, counts.Media]:
        return counts.image_size(self.config, budget), counts.clip_size(self.config, budget, self.typical.clip_seconds)

    def mixture(self, budget: MediaBudget) -> list[tuple[float, counts.Media]]:
        """(share of the samples, media) of typical samples."""
        image, clip = self.media(budget)
        shares = ((self.typical.images, image), (1 - self.typical.images, clip))
        return [(share, media) for share, media in shares if share]

    def prompt(self, budget: MediaBudget) -> float:
        """Tokens of a typical prompt, images and clips averaged."""
        return self.typical.text_tokens + sum(share * media.tokens for share, media in self.mixture(budget))

    def sft(self) -> Stage:
        sft, budget = self.recipe.sft, self.recipe.sft.budget or self.recipe.media
        trained = self.trained(sft)
        kept = self.activations(sft.freeze_vision, self.longest_sft, budget)
        memory = self.weights(sft) | {
            "gradients": 4 * trained / self.parts,
            "gradients in work": self.gradients_in_work(sft),
            "activations": kept.kept(sft.gradient_checkpointing),
            "logits": self.logits(self.longest_sft),
        }
        answer = min(self.typical.answer_tokens, sft.max_tokens)
        flops = self.training_flops(budget, sft, sft.batch, answer, 1)
        tokens = {"prompts": sft.batch * self.prompt(budget), "answers": float(sft.batch * answer)}
        parts, exchanged = self.training(sft, flops, sft.batch, sft.batch, sum(tokens.values()) / sft.batch)
        return Stage(trained, memory, flops, tokens, parts, exchanged, sft.batch, *self.sft_length())

    def training(
        self, stage: SFTConfig | RLConfig, flops: Mapping[str, float], items: int, minibatch: int, tokens: float
    ) -> tuple[dict[str, float], Exchanged]:
        """Seconds by part and what is exchanged of a step's updates. tokens: of an item."""
        trained = self.trained(stage)
        reference = sum(self.reference().values()) * self.parts if isinstance(stage, RLConfig) else 0.0
        held = Held(
            self.gpus, self.recipe.parallel == "fsdp", self.whole_weights, 4.0 * trained, reference,
            self.model.units,
        )  # fmt: skip
        _, passes = update_passes(items, minibatch, self.gpus, math.ceil(tokens), stage.micro_tokens)
        muon = 0.0
        if stage.optimizer.kind == "muon":
            muon = sum(counts.muon_flops(*p.shape) for n, p in self.learning(stage) if is_layer_matrix(n, p))
        return training_seconds(
            self.rate, held, sum(flops.values()), items, minibatch, passes, trained / self.parts, muon
        )

    def sft_length(self) -> tuple[int | None, str]:
        """(steps, what makes them): `sft.steps`, or `sft.epochs` of the samples."""
        sft, epochs = self.recipe.sft, f"{self.recipe.sft.epochs:g} epoch{'' if self.recipe.sft.epochs == 1 else 's'}"
        if sft.steps is not None:
            return sft.steps, ""
        if self.samples is None:
            return None, f"{epochs} of its data; --samples N says how many samples those are"
        return sft_steps(self.recipe, self.samples), f"{epochs} of {self.samples:,} samples"

    def rollouts(self) -> Stage:
        """`rl.decode_batch_size` answers at a time, of prompts of typical length, each as long as it may be."""
        rl = self.recipe.rl
        prompts = min(busiest(rl.prompts, self.gpus), max(1, rl.decode_batch_size // rl.group))
        longest = max(media.tokens for _, media in self.mixture(self.recipe.media)) + self.typical.text_tokens
        prompt = min(longest, rl.max_prompt_tokens)
        each = counts.cache_bytes(self.config, prompt, rl.max_tokens, self.recipe.model.dtype)
        prefill = counts.text_activations(self.config, prompts * prompt, self.stored, self.recipe.model.dtype)
        memory = self.answering_weights(rl) | self.reference() | {
            "activations": prefill.largest,
            "logits": prompts * rl.group * self.config.text_config.vocab_size * counts.LOGIT_BYTES,
            "KV cache": prompts * rl.group * each,
        }  # fmt: skip
        answer = min(self.typical.answer_tokens, rl.max_tokens)
        flops = {"prefill": 0.0, "decoding": 0.0}
        for share, media in self.mixture(self.recipe.media):
            length, asked = media.tokens + self.typical.text_tokens, share * rl.prompts
            pairs = counts.causal_pairs(length)
            flops["prefill"] += asked * (self.vision_pass(media) + counts.language_flops(self.config, length, pairs))
            after = counts.causal_pairs(length, answer) - pairs
            each_answer = counts.language_flops(self.config, answer, after) + counts.head_flops(self.config, answer)
            flops["decoding"] += asked * rl.group * each_answer
        tokens = {
            "prompts": rl.prompts * self.prompt(self.recipe.media),
            "answers": float(rl.prompts * rl.group * answer),
        }
        parts, exchanged = self.answering(flops, answer)
        return Stage(self.trained(rl), memory, flops, tokens, parts, exchanged, rl.prompts, rl.steps)

    def answering(self, flops: Mapping[str, float], answer: int) -> tuple[dict[str, float], Exchanged]:
        """Seconds by part and what is exchanged of a step's rollouts."""
        rl, dtype = self.recipe.rl, self.recipe.model.dtype
        own = busiest(rl.prompts, self.gpus)
        gathered = Exchanged()
        if self.parts > 1:  # all weights on each GPU, or with the engine that answers
            gathered = Exchanged(self.whole_weights * (self.gpus - 1) / self.gpus, len(self.model.named))
        counted = self.model.counted
        width = counts.WIDTH[dtype]
        if rl.engine == "local" and dtype != self.stored:
            width = counts.WIDTH[self.stored] + 2 * counts.WIDTH[dtype]  # read, written in the other type, and read
        read = (counted["language model"] + counted["head"]) * width
        cache = counts.token_cache_bytes(self.config, dtype)
        text = self.config.text_config
        decoding = Decoding(
            read, self.prompt(self.recipe.media) * cache, answer / 2 * cache,
            flops["decoding"] / (rl.prompts * rl.group * answer), text.num_hidden_layers, answer, text.vocab_size,
        )  # fmt: skip
        parts = {
            "gathering weights": gathered.seconds(self.rate, self.gpus),
            "prefill": flops["prefill"] * own / rl.prompts / self.rate.flops,
        } | decoding.seconds(self.rate, own, rl.group, rl.decode_batch_size, rl.engine)
        return parts, gathered

    def answering_weights(self, rl: RLConfig) -> dict[str, float]:
        """As `weights`, but FSDP's processes answer with all weights, gathered once in the type that they are stored
        in, unless another engine answers."""
        held = self.weights(rl)
        if self.parts > 1 and rl.engine == "local":
            held["gathered or cast weights"] = self.whole_weights
        return held

    def updates(self) -> Stage:
        rl = self.recipe.rl
        trained = self.trained(rl)
        kept = self.activations(rl.freeze_vision, self.longest_rl, self.recipe.media)
        memory = self.weights(rl) | self.reference() | {
            "gradients": 4 * trained / self.parts,
            "gradients in work": self.gradients_in_work(rl),
            "activations": kept.kept(rl.gradient_checkpointing),
            "logits": self.logits(self.longest_rl),
        }  # fmt: skip
        answer = min(self.typical.answer_tokens, rl.max_tokens)
        flops = self.training_flops(self.recipe.media, rl, rl.prompts, answer, rl.group)
        if rl.kl:
            flops["reference"] = flops["forward"]
        tokens = {
            "prompts": rl.prompts * self.prompt(self.recipe.media),
            "answers": float(rl.prompts * rl.group * answer),
        }
        minibatch = min(rl.minibatch, rl.prompts)
        parts, exchanged = self.training(rl, flops, rl.prompts, minibatch, sum(tokens.values()) / rl.prompts)
        return Stage(trained, memory, flops, tokens, parts, exchanged, minibatch, rl.steps)

    def reference(self) -> dict[str, float]:
        """The frozen start that KL is taken to; adapters are switched off instead."""
        if not self.recipe.rl.kl or self.recipe.lora.rank:
            return {}
        total = sum(self.model.counted.values())
        return {"reference": total * counts.WIDTH[self.recipe.model.dtype] / self.parts}

    # ---- FLOPs -----------------------------------------------------------------------------------------------------

    def vision_pass(self, media: counts.Media) -> float:
        """FLOPs of vision tower and projector."""
        return counts.vision_flops(self.config, media) + counts.projector_flops(self.config, media)

    def training_flops(
        self, budget: MediaBudget, stage: SFTConfig | RLConfig, samples: int, answer: int, answers: int
    ) -> dict[str, float]:
        """Of a step's passes: a prompt goes through the model once for all its answers. A backward pass costs two
        forward passes where weights learn and one where gradients only pass through."""
        lora = bool(self.recipe.lora.rank)
        forward = {"vision": 0.0, "projector": 0.0, "language": 0.0, "head": 0.0}
        for share, media in self.mixture(budget):
            prompt, part = media.tokens + self.typical.text_tokens, share * samples
            forward["vision"] += part * counts.vision_flops(self.config, media)
            forward["projector"] += part * counts.projector_flops(self.config, media)
            pairs = counts.causal_pairs(prompt, answer, answers)
            forward["language"] += part * counts.language_flops(self.config, prompt + answers * answer, pairs)
            forward["head"] += part * counts.head_flops(self.config, answers * answer)
        learns = {
            "vision": not (stage.freeze_vision or lora),
            "projector": not (stage.freeze_projector or lora),
            "language": not lora,
            "head": not lora,
        }
        passes = {"vision": learns["vision"], "projector": learns["vision"], "language": True, "head": True}
        backward = sum(f * (learns[part] + (passes[part] or learns[part])) for part, f in forward.items())
        flops = {"forward": sum(forward.values()), "backward": backward}
        if stage.gradient_checkpointing:
            flops["computed again"] = forward["language"] + forward["vision"] * learns["vision"]
        return flops
