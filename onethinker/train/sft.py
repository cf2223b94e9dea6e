"""Supervised fine-tuning on worked answers: the cold start. Loss on answer tokens only."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from onethinker.engines.encode import AnswerTokens, Encoder, Prompt
from onethinker.models.compat import enable_checkpointing
from onethinker.models.forward import autocast, unwrap
from onethinker.models.load import add_lora, freeze, load
from onethinker.models.shipped import ModelError
from onethinker.models.threads import set_threads
from onethinker.recipes.base import Recipe, sft_steps
from onethinker.recipes.tools import recipe_prompts, recipe_tools
from onethinker.sample import DataError, Sample
from onethinker.sample.stream import HEAD, SampleStream, TrainingSet
from onethinker.scoring.rollout import make_request
from onethinker.tools.call import answer_call, calls_tool
from onethinker.train import checkpoint
from onethinker.train.batches import sft_batches
from onethinker.train.distributed import DistributedModel
from onethinker.train.optimizer import make_optimizer, schedule, update
from onethinker.train.parallel import Processes, join_processes, run_folder, stopped
from onethinker.train.prefix import TokenGroup, count_written, microbatches, slice_groups
from onethinker.train.roster import Roster, new_roster, roster_of
from onethinker.train.start import check_start, say_idle
from onethinker.train.trackers import metric_logger
from onethinker.train.unreadable import UNREADABLE, Unreadable
from onethinker.util.interrupt import finish_step
from onethinker.util.plugins import plugin_identity
from onethinker.util.runs import RunError

HOPELESS = 32
"""Samples at the beginning of a run that may all be too long before it stops."""


@dataclass(frozen=True, eq=False)
class Example:
    """A prompt and the answer to learn, end-of-turn token included."""

    prompt: Prompt
    answer: Sequence[int] | AnswerTokens
    task: str

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)

    @property
    def group(self) -> TokenGroup:
        return TokenGroup(self.prompt, [self.answer])


def prepare_model(recipe: Recipe, start: str, *, vision: bool, projector: bool, checkpointing: bool) -> tuple[Any, Any]:
    """The model to train: float32 weights (bf16 under LoRA), adapters and frozen parts as the recipe says.

    A checkpoint of this run goes on with its adapters; those of the model that it began with are part of its weights.
    Raises RunError for one that cannot be read, ModelError for another model.
    """
    storage, resumed = recipe.model.dtype if recipe.lora.rank else "float32", start != recipe.model.base
    try:
        model, processor = load(
            start, device=recipe.model.device, dtype=storage, attention=recipe.model.attention, seed=recipe.seed,
            adapters=resumed,
        )  # fmt: skip
    except ModelError as error:
        if resumed:
            raise checkpoint.broken(Path(start), str(error)) from error
        raise
    set_threads(model)
    if recipe.lora.rank and not hasattr(model, "peft_config"):
        torch.manual_seed(recipe.seed)
        model = add_lora(model, recipe.lora.rank, recipe.lora.alpha, recipe.lora.dropout)
    freeze(model, vision=vision, projector=projector)
    if checkpointing:
        enable_checkpointing(model)
    return model.train(), processor


class ExampleSource:
    """Samples with worked answers, encoded on demand.

    positions: where each sample that the run counts is among `samples`, None if it is gone. problems: id → why it could
    not be read, of those that the last batch goes without; gone: how many more of it are gone.
    """

    def __init__(
        self, samples: TrainingSet, recipe: Recipe, encoder: Encoder, positions: Sequence[int | None] | None = None
    ) -> None:
        self.samples, self.encoder, self.recipe = samples, encoder, recipe
        self.positions = range(len(samples)) if positions is None else positions
        self.prompts, self.tools = recipe_prompts(recipe), recipe_tools(recipe)
        self.problems: dict[str, str] = {}
        self.gone = 0
        self.stop = encoder.tokenizer.eos_token_id

    def __getitem__(self, index: int) -> Example:
        sample = self.samples[index]
        request = make_request(sample, self.samples, self.prompts, self.recipe.sft.budget or self.recipe.media)
        if not sample.meta.get("response"):
            raise DataError(_lacks_answer(sample))
        last = [*self.encoder.encode_text(sample.meta["response"]), self.stop]
        answer: Sequence[int] | AnswerTokens = last
        if self.tools and (calls := sample.meta.get("turns")):
            most = self.recipe.tools.turns - 1
            turns = [
                answer_call(text, request, self.tools, last=number == most)
                for number, text in enumerate(_calls(sample.id, calls), start=1)
            ]
            answer = self.encoder.answer_tokens(turns, last, request.budget)
        return Example(self.encoder.encode(request), answer, sample.task)

    def batch(self, indices: Sequence[int]) -> list[Example]:
        """Examples that can be read, within the token limit; the caller counts those that are left out."""
        self.problems, examples = {}, []
        present = [position for i in indices if (position := self.positions[i]) is not None]
        self.gone = len(indices) - len(present)
        self.samples.prefetch(present)
        for position in present:
            try:
                examples.append(self[position])
            except (ValueError, OSError) as error:
                self.problems[self.samples.name_of(position)] = str(error)
        return [e for e in examples if len(e) <= self.recipe.sft.max_tokens]


def _calls(id: str, turns: Any) -> list[str]:
    """A sample's turns. Raises DataError for any that a model could not go on from."""
    if isinstance(turns, list | tuple) and all(isinstance(text, str) and calls_tool(text) for text in turns):
        return list(turns)
    raise DataError(
        f"sample {id}: meta['turns'] is {turns!a:.80}; expected a list of texts, each ending in a tool call"
    )


def run_sft(
    recipe: Recipe, samples: TrainingSet, out: Path, *, fresh: bool = False, stop_after: int | None = None
) -> Path:
    """Train as the recipe says and return the folder of the trained model. The same call resumes a killed run.

    stop_after: leave after this many steps of the schedule, for tests.
    """
    processes = join_processes()
    _check_answers(samples)
    say_idle(processes, "sft.batch", recipe.sft.batch)
    check_start(recipe, out, fresh=fresh)
    roster = new_roster(samples) if fresh else roster_of(samples, out)
    config = {"kind": "sft", "recipe": recipe.deciding(), "samples": roster.fingerprint} | plugin_identity()
    with run_folder(processes, out, config, fresh=fresh) as folder:
        processes.run_on_main(lambda: roster.save(folder))
        return _train(recipe, samples, roster, folder, stop_after, processes)


def _check_answers(samples: TrainingSet) -> None:
    """Raises DataError where a sample has no worked answer; of a stream the first that can be read, others when their
    turn comes."""
    if isinstance(samples, SampleStream):
        head = samples.head(HEAD)
        if not len(head):
            raise DataError(f"none of the first {len(head.left_out)} rows can be read; {head.left_out[0]}")
        if not head[0].meta.get("response"):
            raise DataError(f"{_lacks_answer(head[0])}; SFT needs one on every sample, RL does not")
        return
    lacking = [sample for sample in samples if not sample.meta.get("response")]
    if lacking:
        raise DataError(
            f"{_lacks_answer(lacking[0])}, "
            f"and so {len(lacking)} of {len(samples)}; SFT needs one on every sample, in a chat the assistant's last "
            "turn; RL does not"
        )


def _lacks_answer(sample: Sample) -> str:
    return f"sample {sample.id} ({sample.source or 'no source'}) has no worked answer in meta['response']"


def _train(
    recipe: Recipe, samples: TrainingSet, roster: Roster, out: Path, stop_after: int | None, processes: Processes
) -> Path:
    config = recipe.sft
    saved = checkpoint.found(out, recipe, processes)
    state: dict[str, Any] = (
        checkpoint.load_state(saved[-1], recipe) if saved else {"step": 0, "seconds": 0.0, "left_out": 0}
    )
    model, processor = prepare_model(
        recipe, str(saved[-1]) if saved else recipe.model.base, vision=config.freeze_vision,
        projector=config.freeze_projector, checkpointing=config.gradient_checkpointing,
    )  # fmt: skip
    source, count = ExampleSource(samples, recipe, Encoder(processor), roster.positions), len(roster.positions)
    distributed = DistributedModel(model, processes, recipe.parallel, recipe.model.dtype)
    optimizer = make_optimizer(model, config.optimizer)
    if saved:
        checkpoint.restore(state, optimizer, processes)
    else:
        torch.manual_seed(recipe.seed)
    steps = sft_steps(recipe, count)
    unreadable = Unreadable("SFT", out, recipe.data.max_unreadable, count, processes, state.get("unreadable", 0))
    kept = {"seconds": state["seconds"], "left_out": state["left_out"], "unreadable": unreadable.times}
    step, learned = state["step"], state["step"] > 0
    saver = checkpoint.Saver(out, model, processor, optimizer, recipe, config.keep, processes, step)
    last = min(steps, stop_after or steps)
    logger = metric_logger("SFT", out, recipe.watch, step, steps, last, writes=processes.is_main)
    with logger as note, finish_step("SFT") as asked:
        order = samples.order if isinstance(samples, SampleStream) else None
        for indices in sft_batches(count, config.batch, recipe.seed, last, step, order):
            began = time.perf_counter()
            examples = source.batch(processes.shard(indices))
            share = schedule(config.optimizer, step, steps)
            with saver.saved_first(step, kept):
                missing = unreadable.note(step, source.problems, source.gone)
            row = train_step(distributed, optimizer, recipe, examples, share)
            step, seconds = step + 1, kept["seconds"] + time.perf_counter() - began
            left_out = kept["left_out"] + len(indices) - row["examples"] - missing
            learned = learned or row["examples"] > 0
            if not learned and left_out >= min(HOPELESS, count, last * config.batch):
                raise RunError(
                    f"each of the first {left_out} samples exceeds sft.max_tokens={config.max_tokens}; raise it"
                )
            kept = {"seconds": seconds, "left_out": left_out, "unreadable": unreadable.times}
            note({"step": step, "stage": "sft", **kept, **row}, f"loss {row['loss']:.3f}")
            stop = processes.any(asked())
            if step % config.save_every == 0 or step == last or stop:
                saver.save(step, kept)
            if stop:
                raise stopped(out, step, steps, stop)
    if kept["left_out"] and processes.is_main:
        print(f"SFT: {kept['left_out']} examples longer than {config.max_tokens} tokens were left out")
    if unreadable.times and processes.is_main:
        print(f"SFT: {unreadable.times} times a batch went without a sample that cannot be read; {out / UNREADABLE}")
    return checkpoint.folders(out)[-1]


def train_step(
    distributed: DistributedModel,
    optimizer: Any,
    recipe: Recipe,
    examples: list[Example],
    share: float,
) -> dict[str, Any]:
    """One update over the batch, in microbatches; the loss is the mean over all its answer tokens.

    examples: this process's part of the batch. One of which nothing can be read, or all is too long, changes no weight.
    What is returned is of the whole.
    """
    answer_tokens = sum(count_written(e.answer) for e in examples)
    own = (len(examples), answer_tokens, sum(map(len, examples)), sum(bool(e.prompt.media) for e in examples))
    count, answer_tokens, tokens, seeing = (
        sum(numbers) for numbers in zip(*distributed.processes.gather(own), strict=True)
    )
    if not count:
        nothing = dict.fromkeys(("examples", "answer_tokens", "tokens"), 0)
        return {"loss": math.nan, "lr": recipe.sft.optimizer.lr * share, "grad_norm": 0.0, **nothing}
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
