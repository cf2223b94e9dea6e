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
from onethinker.plan.work import Flops, Work, totals
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
    """A model's configuration and parameters. Walked once: an estimate asks for them dozens of times.

    layer, layers: of one text layer, of all. units: that FSDP gathers by themselves but for the outermost, and inside
    how many weights they have. matrices: weights of all linear layers, those of a head that is the embedding too.
    """

    def __init__(self, base: str) -> None:
        model = meta_model(base)
        self.config = model.config
        self.named = list(model.named_parameters())
        self.counted = counts.parameters(model)
        layers, blocks = model.model.language_model.layers, model.model.visual.blocks
        self.layer = sum(p.numel() for p in layers[0].parameters())
        self.layers = sum(p.numel() for p in layers.parameters())
        self.units = len(layers) + len(blocks)
        self.inside = self.layers + sum(p.numel() for p in blocks.parameters())
        self.embedding = model.get_input_embeddings().weight.numel()
        self.matrices = sum(m.weight.numel() for m in model.modules() if type(m).__name__ == "Linear")


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
        process = {"process besides tensors": self.rate.process} if self.rate.process else {}
        return process | {
            "weights": self.whole_weights / self.parts,
            kind: self.optimizer_states(stage) / self.parts,
            "gathered or cast weights": self.working_copies(stage),
        }

    def gradients_in_work(self, stage: SFTConfig | RLConfig) -> float:
        """Bytes of the largest gradient until it is added to what is there: of the embedding, twice where it is the
        head too. FSDP has the whole ones of embedding and head until each GPU is given its part."""
        if self.recipe.lora.rank:
            return 0.0
        counted = self.model.counted
        embedding = self.model.embedding
        tied = not counted["head"]
        return 4.0 * embedding * (2 if tied or self.parts > 1 else 1)

    @property
    def whole_weights(self) -> float:
        """Bytes of all weights, adapters included, as they are stored."""
        return sum(self.model.counted.values()) * counts.WIDTH[self.stored] + self.adapters * 4

    def working_copies(self, stage: SFTConfig | RLConfig) -> float:
        """FSDP holds the outermost unit (embedding and head) as it is stored and two layers, of which one is fetched
        ahead, as they are computed with. Of weights that train and are computed with in another type a pass keeps
        copies in that type: of all, or with gradient checkpointing of the layer and the outermost unit in work; of
        layers that FSDP gathers none."""
        counted, layer = self.model.counted, self.model.layer
        outer = counted["language model"] - self.model.layers + counted["head"]
        dtype, trained, gathered = self.recipe.model.dtype, self.trained(stage), 0
        copied = min(trained, outer + layer) if stage.gradient_checkpointing else trained
        if self.parts > 1:
            gathered = outer * counts.WIDTH[self.stored] + 2 * layer * counts.WIDTH[dtype]
            copied = min(trained, outer)
        return gathered + (copied * counts.WIDTH[dtype] if dtype != "float32" else 0)

    def activations(self, freeze_vision: bool, tokens: int, budget: MediaBudget) -> counts.Activations:
        kept = counts.text_activations(self.config, tokens, self.stored, self.recipe.model.dtype)
        if freeze_vision or self.recipe.lora.rank:
            return kept
        media = max((media for _, media in self.work(budget).mixture), key=lambda m: m.tokens)
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

    def work(self, budget: MediaBudget) -> Work:
        """Typical samples whose media fill the budget."""
        image = counts.image_size(self.config, budget)
        clip = counts.clip_size(self.config, budget, self.typical.clip_seconds)
        shares = ((self.typical.images, image), (1 - self.typical.images, clip))
        return Work(self.config, [(share, media) for share, media in shares if share], self.typical.text_tokens)

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
        work = self.work(budget)
        flops = work.training(
            sft.batch, answer, 1, self.learning_parts(sft), again=sft.gradient_checkpointing, reference=False
        )
        tokens = {"prompts": sft.batch * work.prompt, "answers": float(sft.batch * answer)}
        parts, exchanged = self.training(sft, flops, sft.batch, sft.batch, sum(tokens.values()) / sft.batch)
        return Stage(trained, memory, totals(flops), tokens, parts, exchanged, sft.batch, *self.sft_length())

    def learning_parts(self, stage: SFTConfig | RLConfig) -> dict[str, bool]:
        """Whether weights of a part of the model learn, adapters apart."""
        lora = bool(self.recipe.lora.rank)
        return {
            "vision": not (stage.freeze_vision or lora),
            "projector": not (stage.freeze_projector or lora),
            "language": not lora,
            "head": not lora,
        }

    def training(
        self, stage: SFTConfig | RLConfig, flops: Flops, items: int, minibatch: int, tokens: float
    ) -> tuple[dict[str, float], Exchanged]:
        """Seconds by part and what is exchanged of a step's updates. tokens: of an item."""
        trained = self.trained(stage)
        reference = sum(self.reference().values()) * self.parts if isinstance(stage, RLConfig) else 0.0
        dtype = self.recipe.model.dtype
        # Layers are gathered in the type that they compute in, and where that is not float32 their norms apart.
        saved = self.model.inside * (counts.WIDTH[self.stored] - counts.WIDTH[dtype])
        exchanges = 1 + self.model.units * (1 if dtype == "float32" else 2)
        sharded = self.recipe.parallel == "fsdp"
        held = Held(self.gpus, sharded, self.whole_weights - saved, 4.0 * trained, reference, exchanges)
        _, passes = update_passes(items, minibatch, self.gpus, math.ceil(tokens), stage.micro_tokens)
        muon = 0.0
        if stage.optimizer.kind == "muon":
            muon = sum(counts.muon_flops(*p.shape) for n, p in self.learning(stage) if is_layer_matrix(n, p))
        embedding = 0 if self.recipe.lora.rank else self.model.embedding
        arithmetic = sum(self.rate.seconds(parts) for parts in flops.values())
        return training_seconds(
            self.rate, held, arithmetic, items, minibatch, passes, trained / self.parts, embedding, muon
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
        work = self.work(self.recipe.media)
        longest = max(media.tokens for _, media in work.mixture) + self.typical.text_tokens
        prompt = min(longest, rl.max_prompt_tokens)
        each = counts.cache_bytes(self.config, prompt, rl.max_tokens, self.recipe.model.dtype)
        prefill = counts.text_activations(self.config, prompts * prompt, self.stored, self.recipe.model.dtype)
        memory = self.answering_weights(rl) | self.reference() | {
            "activations": prefill.largest,
            "logits": prompts * rl.group * self.config.text_config.vocab_size * counts.LOGIT_BYTES,
            "KV cache": prompts * rl.group * each,
        }  # fmt: skip
        answer = min(self.typical.answer_tokens, rl.max_tokens)
        flops = work.answering(rl.prompts, rl.group, answer)
        tokens = {"prompts": rl.prompts * work.prompt, "answers": float(rl.prompts * rl.group * answer)}
        parts, exchanged = self.answering(flops, work, answer)
        return Stage(self.trained(rl), memory, totals(flops), tokens, parts, exchanged, rl.prompts, rl.steps)

    def answering(self, flops: Flops, work: Work, answer: int) -> tuple[dict[str, float], Exchanged]:
        """Seconds by part and what is exchanged of a step's rollouts."""
        rl, dtype = self.recipe.rl, self.recipe.model.dtype
        own = busiest(rl.prompts, self.gpus)
        gathered = Exchanged()
        if self.parts > 1:  # all weights on each GPU
            whole = self.answering_weights(rl)["gathered or cast weights"]
            gathered = Exchanged(whole * (self.gpus - 1) / self.gpus, len(self.model.named))
        counted = self.model.counted
        read = (counted["language model"] + counted["head"]) * counts.WIDTH[dtype]
        cache = counts.token_cache_bytes(self.config, dtype)
        text = self.config.text_config
        decoding = Decoding(
            read, work.prompt * cache, answer / 2 * cache,
            totals(flops)["decoding"] / (rl.prompts * rl.group * answer), text.num_hidden_layers, answer,
            text.vocab_size,
        )  # fmt: skip
        parts = {
            "gathering weights": gathered.seconds(self.rate, self.gpus),
            "prefill": self.rate.seconds(flops["prefill"]) * own / rl.prompts,
        } | decoding.seconds(self.rate, own, rl.group, rl.decode_batch_size, rl.engine)
        return parts, gathered

    def answering_weights(self, rl: RLConfig) -> dict[str, float]:
        """As `weights`, but with what answers or is handed over: of FSDP's processes all weights, gathered once; for
        the local engine matrices in the type of the arithmetic, which are copies where that is not the stored one."""
        held, dtype = self.weights(rl), self.recipe.model.dtype
        cast = self.model.matrices * counts.WIDTH[dtype] if rl.engine == "local" and dtype != self.stored else 0
        tied = 0 if self.model.counted["head"] else self.model.embedding
        gathered = self.whole_weights if self.parts > 1 else 0
        if cast and gathered:
            gathered -= (self.model.matrices - tied) * counts.WIDTH[self.stored]
        return held | {"gathered or cast weights": gathered + cast}

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
        work = self.work(self.recipe.media)
        flops = work.training(
            rl.prompts, answer, rl.group, self.learning_parts(rl), again=rl.gradient_checkpointing,
            reference=bool(rl.kl),
        )  # fmt: skip
        tokens = {"prompts": rl.prompts * work.prompt, "answers": float(rl.prompts * rl.group * answer)}
        minibatch = min(rl.minibatch, rl.prompts)
        parts, exchanged = self.training(rl, flops, rl.prompts, minibatch, sum(tokens.values()) / rl.prompts)
        return Stage(trained, memory, totals(flops), tokens, parts, exchanged, minibatch, rl.steps)

    def reference(self) -> dict[str, float]:
        """The frozen start that KL is taken to; adapters are switched off instead."""
        if not self.recipe.rl.kl or self.recipe.lora.rank:
            return {}
        total = sum(self.model.counted.values())
        return {"reference": total * counts.WIDTH[self.recipe.model.dtype] / self.parts}
