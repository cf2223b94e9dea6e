"""Evaluate a model: ask what is missing, append each answer as it comes, reduce all to `summary.json`.

A result belongs to the content of its question and media, the model, the prompts, the decoding, the media budget, the
metric profile, the segmenter and the judge. Resuming asks exactly the questions that have no result of that identity,
errors included; another model in the same folder starts from nothing and disturbs nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from onethinker.engines.base import Completion, Engine, Sampling, settings_of
from onethinker.evaluate.benchmarks import Benchmark
from onethinker.evaluate.headline import measured
from onethinker.evaluate.masks import with_mask
from onethinker.evaluate.summary import Summary, summarise
from onethinker.recipes.base import EvalConfig
from onethinker.sample import DataError, Samples, check_storable, save_samples
from onethinker.sample.answer import Status
from onethinker.sample.task_names import check_task
from onethinker.scoring.bootstrap import Bootstrap
from onethinker.scoring.judge import Judge
from onethinker.scoring.results import (
    QUESTIONS,
    RESULTS,
    SAMPLES,
    SUMMARY,
    Row,
    Settings,
    content_of,
    current,
    is_error,
    result_row,
    samples_digest,
)
from onethinker.scoring.rollout import Rollout, ask_all, make_request, score_completions
from onethinker.segment import Segmenter
from onethinker.tasks import get_task
from onethinker.tasks.base import Score
from onethinker.tasks.prompts import PromptSet
from onethinker.util.files import write_whole
from onethinker.util.interrupt import kept
from onethinker.util.map_ahead import map_together
from onethinker.util.plugins import plugin_identity
from onethinker.util.progress import bar
from onethinker.util.runs import JsonLines, RunError, locked, stamp

_NAMED = 100
"""Rows left out that a summary names; it counts all."""

Found = dict[tuple[str, str, int], Row]
"""Rows by settings, content and index, as `current` gives them."""

Answered = tuple[int, list[Completion]]
"""A question's position and its answers."""


def evaluate(
    samples: Samples,
    engine: Engine,
    folder: Path,
    *,
    config: EvalConfig,
    prompts: PromptSet,
    model: str = "",
    data: str = "",
    seed: int = 0,
    segmenter: Segmenter | None = None,
    judge: Judge | None = None,
    benchmark: Benchmark | None = None,
) -> Summary:
    """Answers to every sample in `folder/results.jsonl`, the summary of them in `folder/summary.json` and returned.

    `folder/samples.jsonl` holds the questions, `folder/questions.json` the content (question and media) behind each id
    of the summary.

    Greedy once a question; with `config.sampled` also that many answers at `config.temperature`. model, data: the names
    by which a person knows them. segmenter: makes masks of parsed greedy segmentation answers, which are then scored
    (sampled answers are there for their reward, which knows no masks). judge: grades free text, in
    place of ROUGE. benchmark: whose questions these are; the summary's `benchmark` is then its number (`measured`).
    A question whose truth or media cannot be read, whose media the engine refuses or whose grade the judge does not
    give costs its own row.
    Raises DataError for a sample of no task and one that could not be stored, before anything is asked, RunError if
    another process holds the folder, EngineError if the engine cannot go on; what was answered by then stays.
    """
    for sample in samples:  # written at the end: whatever cannot be is found before the first question
        check_storable(sample)
        check_task(sample.task, f"sample {sample.id}")
    with locked(folder):
        results = _Results(folder)
        questions = _questions(samples, prompts, config)
        every_settings = _settings(engine, prompts, config, segmenter, judge, seed)
        parts: list[list[Any]] = []
        for settings in every_settings:
            ask = _Ask(samples, questions, engine, prompts, settings, segmenter, judge)
            todo = ask.missing(results)
            part = f", part {len(parts) + 1} of {len(every_settings)}" if len(every_settings) > 1 else ""
            parts.append([len(samples) - len(todo), settings.decoding])
            with (
                kept(lambda: _kept_words(folder, parts, len(samples))),
                bar(f"{settings.decoding} answers{part}", len(samples), len(samples) - len(todo)) as advance,
            ):
                for position in ask.answer(todo, results):
                    parts[-1][0] += 1
                    advance(worked=not questions[position].problem)
        rows = _rows_that_count(results.rows, samples, questions, every_settings)
        summary = {"model": model or engine.identity, "data": _identified(samples, data), "seed": seed}
        profile, bootstrap = config.metric_profile, Bootstrap(config.bootstrap, seed)
        summary |= _heading(every_settings, config, prompts, settings_of(engine)) | plugin_identity()
        summary |= summarise(rows, samples, metric_profile=profile, reward=config.reward, bootstrap=bootstrap)
        if benchmark:
            summary["benchmark"] = measured(benchmark, rows, samples, profile, bootstrap)
        save_samples(samples, folder / SAMPLES)
        write_whole(folder / QUESTIONS, json.dumps({s.id: q.content for s, q in zip(samples, questions)}))
        write_whole(folder / SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False))
    return summary


def _kept_words(folder: Path, parts: list[list[Any]], questions: int) -> str:
    """parts: [questions answered, decoding] of each part that was begun."""
    done = ", ".join(f"{count} of {questions} questions with {decoding} answers" for count, decoding in parts)
    return f"{folder}: {done} are kept; the same command asks the rest"


class _Results:
    """`results.jsonl`, read once: the rows that count, those that are appended among them."""

    def __init__(self, folder: Path) -> None:
        self._file = JsonLines(folder / RESULTS)
        self.rows: Found = current(self._file.rows())

    def append(self, row: Row) -> None:
        current([self._file.append(row)], self.rows)


@dataclass(frozen=True, slots=True)
class _Question:
    """content: identifies the question with its media. problem: why it cannot be asked, empty if it can."""

    content: str
    problem: str = ""


def _questions(samples: Samples, prompts: PromptSet, config: EvalConfig) -> list[_Question]:
    found = []
    with bar("reading questions", len(samples)) as advance:
        for sample in samples:
            try:
                get_task(sample.task).truth(sample)
                make_request(sample, samples, prompts, config.budget)
                found.append(_Question(content_of(sample, samples.root)))
            except (DataError, OSError) as error:
                found.append(_Question(f"{sample.digest()}-unreadable", f"sample {sample.id}: {error}"))
            advance()
    return found


@dataclass(frozen=True, slots=True)
class _Ask:
    """One decoding of the whole set."""

    samples: Samples
    questions: list[_Question]
    engine: Engine
    prompts: PromptSet
    settings: Settings
    segmenter: Segmenter | None
    judge: Judge | None

    def missing(self, results: _Results) -> list[int]:
        """Positions without a whole set of answers, and those with an error; of equal questions the first."""
        digest, answers = self.settings.digest(), range(self.settings.sampling.n)
        found = {key for key, row in results.rows.items() if not is_error(row)}
        first: dict[str, int] = {}
        for position, question in enumerate(self.questions):
            first.setdefault(question.content, position)
        return [p for content, p in first.items() if not all((digest, content, i) in found for i in answers)]

    def answer(self, todo: list[int], results: _Results) -> Iterator[int]:
        """Ask, append each question's rows as it is answered and yield its position, those that cannot be asked first.

        Scores, grades, masks and the writing go on beside the engine, which does not wait for them: in one thread from
        answer to row, so that no answer waits for the next one to be written; what came meanwhile is scored together.
        """

        def keep(batch: list[Answered]) -> list[int]:
            asked = [self.samples[position] for position, _ in batch]
            scored = score_completions(asked, [found for _, found in batch], lenient=True, judge=self.judge)
            for (position, _), rollouts in zip(batch, scored, strict=True):
                for rollout in rollouts:
                    content = self.questions[position].content
                    results.append(result_row(self._masked(rollout), self.settings, content))
            return [position for position, _ in batch]

        askable = [p for p in todo if not self.questions[p].problem]
        sampling, budget = self.settings.sampling, self.settings.budget
        answered = ask_all(self.samples, self.engine, self.prompts, budget, sampling, only=askable)
        return map_together(keep, chain(self._refused(todo), answered))

    def _refused(self, todo: list[int]) -> Iterator[Answered]:
        """The questions that cannot be asked, each with errors for answers."""
        for position in todo:
            if problem := self.questions[position].problem:
                yield position, [Completion("", "error", error=problem)] * self.settings.sampling.n

    def _masked(self, rollout: Rollout) -> Rollout:
        """With masks in both readings, where a segmenter makes them; what reads the same is segmented once."""
        score, lenient = rollout.score, rollout.lenient
        if self.segmenter is None or not self.settings.segmenter or score.status is Status.ERROR:
            return rollout
        asked = (rollout.sample, self.samples.root, rollout.answer)
        try:
            strict = with_mask(*asked, score, self.segmenter)
            alike = (lenient.status, lenient.accuracy) == (score.status, score.accuracy)
            other = strict if alike else with_mask(*asked, lenient, self.segmenter, lenient=True)
        except ValueError as error:  # unreadable media, a truth without masks, masks beyond the segmenter's limits
            failed = Score(Status.ERROR)
            return replace(rollout, score=failed, lenient=failed, problem=str(error))
        return replace(rollout, score=strict, lenient=other)


def _rows_that_count(
    found: Found, samples: Samples, questions: list[_Question], every_settings: list[Settings]
) -> list[Row]:
    """The rows of every question under its present id; questions of equal content share theirs and count each."""
    keys = [(s.digest(), i) for s in every_settings for i in range(s.sampling.n)]
    return [
        found[digest, question.content, i] | {"id": sample.id}
        for sample, question in zip(samples, questions)
        for digest, i in keys
        if (digest, question.content, i) in found
    ]


def _settings(
    engine: Engine,
    prompts: PromptSet,
    config: EvalConfig,
    segmenter: Segmenter | None,
    judge: Judge | None,
    seed: int,
) -> list[Settings]:
    samplings = [Sampling(max_tokens=config.max_tokens)]
    if config.sampled:
        if config.temperature <= 0:
            raise RunError(f"evaluate.temperature is {config.temperature}; sampled answers need more than 0")
        samplings.append(
            Sampling(n=config.sampled, temperature=config.temperature, max_tokens=config.max_tokens, seed=seed)
        )
    masks, grades = [segmenter.identity if segmenter else "", ""], judge.identity if judge else ""
    return [
        Settings(engine.identity, prompts.digest, sampling, config.budget, config.metric_profile, name, grades)
        for sampling, name in zip(samplings, masks)
    ]


def _identified(samples: Samples, data: str) -> dict[str, Any]:
    left_out = {"left_out": len(samples.left_out), "left_out_rows": list(samples.left_out[:_NAMED])}
    digest = samples_digest(samples)
    return {"path": data, "media_root": str(samples.root), "digest": digest, "n": len(samples), **left_out}


def _heading(
    every_settings: list[Settings], config: EvalConfig, prompts: PromptSet, computed: dict[str, Any]
) -> Summary:
    """What a summary says of how it was made; `settings` finds its rows in `results.jsonl`.

    computed: how the engine computed. A batch that it was given and did not use is not recorded.
    """
    return {
        "engine": every_settings[0].engine,
        "prompts": {"name": prompts.name, "digest": prompts.digest},
        "metric_profile": config.metric_profile,
        "reward_profile": config.reward,
        "settings": {s.decoding: s.digest() for s in every_settings},
        "config": config.model_dump(exclude=set() if "batch" in computed else {"batch"}),
        "computed": computed,
        "segmenter": every_settings[0].segmenter or None,
        "judge": every_settings[0].judge or None,
        "at": stamp(),
    }
