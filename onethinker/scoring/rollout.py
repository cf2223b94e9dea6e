"""Samples × engine → `Rollout`s: what was asked, what came back and how it scored. For RL, evaluation and use alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker.engines.base import Completion, Engine, Request, Sampling
from onethinker.media import MediaBudget
from onethinker.sample import Sample, Samples
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.tasks import get_task
from onethinker.tasks.base import Score
from onethinker.tasks.prompts import PromptSet


@dataclass(frozen=True, slots=True)
class Rollout:
    """One answer to one sample. index counts the answers of a sample from 0."""

    sample: Sample
    index: int
    completion: Completion
    answer: Answer
    score: Score

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
            "error": self.completion.error,
            "status": self.score.status.value,
            "accuracy": self.score.accuracy,
            "format": self.score.format,
            "structure": self.score.structure,
            "components": dict(self.score.components),
        }


def make_request(sample: Sample, samples: Samples, prompts: PromptSet, budget: MediaBudget) -> Request:
    """The prompt of a sample with its media resolved under the data's root. Raises DataError."""
    text = get_task(sample.task).prompt(sample, prompts)
    return Request(sample.id, text, tuple(sample.paths(samples.root)), budget, prompts.system)


def score_completion(sample: Sample, index: int, completion: Completion) -> Rollout:
    """Read and score one completion; an engine's failure becomes status `error`, not a score of 0."""
    answer = read_answer(completion.text, completion.finish)
    score = Score(Status.ERROR) if answer.status is Status.ERROR else get_task(sample.task).score(sample, answer)
    return Rollout(sample, index, completion, answer, score)


def score_all(sample: Sample, completions: Sequence[Completion]) -> list[Rollout]:
    """`score_completion` of each answer to one sample."""
    return [score_completion(sample, index, completion) for index, completion in enumerate(completions)]


def ask_all(
    samples: Samples,
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
    samples: Samples,
    engine: Engine,
    prompts: PromptSet,
    budget: MediaBudget,
    sampling: Sampling,
    only: Sequence[int] | None = None,
) -> Iterator[tuple[int, list[Rollout]]]:
    """`ask_all`, and each question's answers scored as they come."""
    for position, completions in ask_all(samples, engine, prompts, budget, sampling, only):
        yield position, score_all(samples[position], completions)
