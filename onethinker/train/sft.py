"""Supervised fine-tuning on worked answers: the cold start. Loss on answer tokens only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from onethinker.engines.encode import Encoder, Prompt
from onethinker.models.forward import autocast, unwrap
from onethinker.models.load import add_lora, freeze, load
from onethinker.recipes.base import Recipe
from onethinker.sample import DataError, Samples
from onethinker.scoring.rollout import make_request
from onethinker.tasks.prompts import load_prompts
from onethinker.train import checkpoint
from onethinker.train.batches import sft_batches
from onethinker.train.distributed import DistributedModel
from onethinker.train.optimizer import make_optimizer, schedule, update
from onethinker.train.parallel import Processes, join_processes, run_folder
from onethinker.train.prefix import TokenGroup, microbatches, slice_groups
from onethinker.train.trackers import metric_logger
from onethinker.util.runs import RunError


@dataclass(frozen=True, eq=False)
class Example:
    """A prompt and the A answer tokens to learn, end-of-turn token included."""

    prompt: Prompt
    answer_A: Tensor
    task: str

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer_A)

    @property
    def group(self) -> TokenGroup:
        return TokenGroup(self.prompt, [self.answer_A.tolist()])


def prepare_model(recipe: Recipe, start: str, *, vision: bool, projector: bool, checkpointing: bool) -> tuple[Any, Any]:
    """The model to train: float32 weights (bf16 under LoRA), adapters and frozen parts as the recipe says.

    A checkpoint of this run goes on with its adapters; those of the model that it began with are part of its weights.
    """
    storage = recipe.model.dtype if recipe.lora.rank else "float32"
    model, processor = load(
        start, device=recipe.model.device, dtype=storage, attention=recipe.model.attention, seed=recipe.seed,
        adapters=start != recipe.model.base,
    )  # fmt: skip
    if recipe.lora.rank and not hasattr(model, "peft_config"):
        torch.manual_seed(recipe.seed)
        model = add_lora(model, recipe.lora.rank, recipe.lora.alpha, recipe.lora.dropout)
    freeze(model, vision=vision, projector=projector)
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model.enable_input_require_grads()
    return model.train(), processor


class ExampleSource:
    """Samples with worked answers, encoded on demand."""

    def __init__(self, samples: Samples, recipe: Recipe, encoder: Encoder) -> None:
        self.samples, self.encoder, self.recipe = samples, encoder, recipe
        self.prompts = load_prompts(recipe.prompts)
        for sample in samples:
            if not sample.meta.get("response"):
                raise DataError(
                    f"sample {sample.id} ({sample.source or 'no source'}) has no worked answer in meta['response']; "
                    "SFT needs one on every sample, RL does not"
                )
        self.stop = encoder.tokenizer.eos_token_id

    def __getitem__(self, index: int) -> Example:
        sample = self.samples[index]
        request = make_request(sample, self.samples, self.prompts, self.recipe.sft.budget or self.recipe.media)
        answer = [*self.encoder.encode_text(sample.meta["response"]), self.stop]
        return Example(self.encoder.encode(request), torch.tensor(answer), sample.task)

    def batch(self, indices: Sequence[int]) -> list[Example]:
        """Examples within the token limit; longer ones are left out and counted by the caller."""
        examples = [self[i] for i in indices]
        return [e for e in examples if len(e) <= self.recipe.sft.max_tokens]


def run_sft(recipe: Recipe, samples: Samples, out: Path, *, fresh: bool = False, stop_after: int | None = None) -> Path:
    """Train as the recipe says and return the folder of the trained model. The same call resumes a killed run.

    stop_after: leave after this many steps of the schedule, for tests.
    """
    processes = join_processes()
    config = {"kind": "sft", "recipe": recipe.deciding(), "samples": fingerprint(samples)}
    with run_folder(processes, out, config, fresh=fresh) as folder:
        return _train(recipe, samples, folder, stop_after, processes)


def fingerprint(samples: Samples) -> dict[str, Any]:
    """What a run was trained on: questions, truths and worked answers, in order. Raises RunError if there are none."""
    if not len(samples):
        raise RunError("no samples to train on; look at data.train and data.limit")
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(f"{sample.id}|{sample.digest()}|{sample.meta.get('response', '')}\n".encode())
    return {"n": len(samples), "digest": digest.hexdigest()[:16]}


def _train(recipe: Recipe, samples: Samples, out: Path, stop_after: int | None, processes: Processes) -> Path:
    config = recipe.sft
    saved = checkpoint.folders(out)
    state: dict[str, Any] = checkpoint.load_state(saved[-1]) if saved else {"step": 0, "seconds": 0.0, "left_out": 0}
    model, processor = prepare_model(
        recipe, str(saved[-1]) if saved else recipe.model.base, vision=config.freeze_vision,
        projector=config.freeze_projector, checkpointing=config.gradient_checkpointing,
    )  # fmt: skip
    source = ExampleSource(samples, recipe, Encoder(processor))
    distributed = DistributedModel(model, processes, recipe.parallel)
    optimizer = make_optimizer(model, config.optimizer)
    if saved:
        checkpoint.restore(state, optimizer, processes)
    else:
        torch.manual_seed(recipe.seed)
    steps = _steps(recipe, len(samples))
    step, seconds, left_out = state["step"], state["seconds"], state["left_out"]
    last = min(steps, stop_after or steps)
    with metric_logger("SFT", out, recipe.watch, step, steps, last, writes=processes.is_main) as note:
        for indices in sft_batches(len(samples), config.batch, recipe.seed, last, step):
            began = time.perf_counter()
            examples = source.batch(processes.shard(indices))
            row = _step(distributed, optimizer, recipe, examples, schedule(config.optimizer, step, steps))
            left_out += len(indices) - row["examples"]
            step, seconds = step + 1, seconds + time.perf_counter() - began
            times = {"step": step, "stage": "sft", "seconds": seconds, "left_out": left_out}
            note(times | row, f"loss {row['loss']:.3f}")
            if step % config.save_every == 0 or step == last:
                kept = {"seconds": seconds, "left_out": left_out}
                checkpoint.save_checkpoint(out, step, model, processor, optimizer, recipe, kept, config.keep, processes)
    if left_out and processes.is_main:
        print(f"SFT: {left_out} examples longer than {config.max_tokens} tokens were left out")
    return checkpoint.folders(out)[-1]


def _steps(recipe: Recipe, count: int) -> int:
    if recipe.sft.steps is not None:
        return recipe.sft.steps
    return max(1, round(recipe.sft.epochs * count / recipe.sft.batch))


def _step(
    distributed: DistributedModel, optimizer: Any, recipe: Recipe, examples: list[Example], share: float
) -> dict[str, Any]:
    """One update over the batch, in microbatches; the loss is the mean over all its answer tokens.

    examples: this process's part of the batch. What is returned is of the whole.
    """
    answer_tokens = sum(len(e.answer_A) for e in examples)
    own = (len(examples), answer_tokens, sum(map(len, examples)), sum(bool(e.prompt.media) for e in examples))
    count, answer_tokens, tokens, seeing = (
        sum(numbers) for numbers in zip(*distributed.processes.gather(own), strict=True)
    )
    if not count:
        raise RunError(f"every sample of a batch exceeds sft.max_tokens={recipe.sft.max_tokens}; raise it")
    device = unwrap(distributed.model).lm_head.weight.device
    groups, total = [e.group for e in examples], 0.0
    for pieces in distributed.passes(microbatches(groups, recipe.sft.micro_tokens)):
        with autocast(device, recipe.model.dtype):
            logps = (
                distributed.logps(slice_groups(groups, pieces), banned=[])[0] if pieces else distributed.dummy_logps()
            )
            loss = -logps.sum() / answer_tokens
        distributed.backward(loss)
        total += float(loss.detach())
    if not seeing:
        distributed.drop_unused_vision_gradients()
    return {
        "loss": sum(distributed.processes.gather(total)),
        "lr": recipe.sft.optimizer.lr * share,
        "grad_norm": update(distributed.model, optimizer, recipe.sft.optimizer, share),
        "examples": count,
        "answer_tokens": answer_tokens,
        "tokens": tokens,
    }
