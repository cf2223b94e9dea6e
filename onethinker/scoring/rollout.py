"""Samples × engine → `Rollout`s: what was asked, what came back and how it scored. For RL, evaluation and use alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker.engines.base import Completion, Engine, Request, Sampling
from onethinker.media import MediaBudget
from onethinker.sample import DataError, Sample, Samples
from onethinker.sample.answer import Answer, read_answer
from onethinker.sample.stream import SampleStream
from onethinker.scoring.judge import Judge
from onethinker.scoring.scores import score_many
from onethinker.tasks import TaskError, get_task
from onethinker.tasks.base import Score
from onethinker.tasks.prompts import PromptSet


@dataclass(frozen=True, slots=True)
class Rollout:
    """One answer to one sample. index counts the answers of a sample from 0.

    lenient: its score under lenient reading, where that was asked, else `score`. problem: why it is of status `error`,
    be it the engine, the truth or the judge.
    """

    sample: Sample
    index: int
    completion: Completion
    answer: Answer
    score: Score
    lenient: Score
    problem: str = ""

    def row(self) -> dict[str, Any]:
        """A flat record for JSON lines or Parquet."""
        return {
            "id": self.sample.id,
            "task": self.sample.task,
            "modality": self.sample.modality,
            "index": self.index,
            "response": self.completion.text,
            "finish": self.completion.finish,
            "tokens": self.completion.tokens,
            "prompt_tokens": self.completion.prompt_tokens,
            "seconds": self.completion.seconds,
            "error": self.problem,
            "status": self.score.status.value,
            "accuracy": self.score.accuracy,
            "format": self.score.format,
            "structure": self.score.structure,
            "components": dict(self.score.components),
        } | ({"turns": [turn.row() for turn in self.completion.turns]} if self.completion.turns else {})


def make_request(sample: Sample, samples: Samples | SampleStream, prompts: PromptSet, budget: MediaBudget) -> Request:
    """The prompt of a sample with its media resolved under the data's root. Raises DataError."""
    try:
        text = get_task(sample.task).prompt(sample, prompts)
    except TaskError as error:
        raise DataError(f"sample {sample.id}: {error.args[0]}") from error
    return Request(sample.id, text, tuple(sample.paths(samples.root)), budget, prompts.system)


def score_completions(
    samples: Sequence[Sample],
    completions: Sequence[Sequence[Completion]],
    *,
    lenient: bool = False,
    judge: Judge | None = None,
    in_group: bool = False,
) -> list[list[Rollout]]:
    """Read and score the completions of each sample, all of them together, as `score_many` does.

    An engine's failure, a truth that is not usable and a grade that could not be had become status `error`.
    """
    asked = [(sample, i, c) for sample, found in zip(samples, completions, strict=True) for i, c in enumerate(found)]
    answers = [read_answer(c.text, c.finish, c.tokens or None) for _, _, c in asked]
    scored = score_many([sample for sample, _, _ in asked], answers, lenient=lenient, judge=judge, in_group=in_group)
    made = (
        Rollout(sample, index, completion, answer, found.score, found.lenient, completion.error or found.problem)
        for (sample, index, completion), answer, found in zip(asked, answers, scored, strict=True)
    )
    return [[next(made) for _ in found] for found in completions]


def ask_all(
    samples: Samples | SampleStream,
    engine: Engine,
    prompts: PromptSet,
    budget: MediaBudget,
    sampling: Sampling,
    only: Sequence[int] | None = None,
) -> Iterator[tuple[int, list[Completion]]]:
    """Yield `(position in samples, its n answers)` as the engine finishes them. only: positions to ask."""
    positions = list(range(len(samples))) if only is None else list(only)
    requests = [make_request(samples[p], samples, prompts, budget) for p in positions]
    for index, completions in engine.answer(requests, sampling):
        yield positions[index], completions


def roll_out(
    samples: Samples | SampleStream,
    engine: Engine,
    prompts: PromptSet,
    budget: MediaBudget,
    sampling: Sampling,
    only: Sequence[int] | None = None,
    *,
    judge: Judge | None = None,
    in_group: bool = False,
) -> list[tuple[int, list[Rollout]]]:
    """`ask_all`, and when all is answered, the answers scored together.

    judge, in_group: as of `score_many`. Raises DataError for a truth that is not usable.
    """
    answered = list(ask_all(samples, engine, prompts, budget, sampling, only))
    for position, _ in answered:
        get_task(samples[position].task).truth(samples[position])
    asked = [samples[position] for position, _ in answered]
    rollouts = score_completions(asked, [found for _, found in answered], judge=judge, in_group=in_group)
    return [(position, scored) for (position, _), scored in zip(answered, rollouts, strict=True)]
