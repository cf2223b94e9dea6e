"""`onethinker data difficulty`: how often a model answers each sample of a corpus right, kept in `meta.difficulty`.

    {"pass_rate": 0.75, "accuracy": 0.81, "answers": 4, "threshold": 0.7, "model": "mini-rl"}

pass_rate: the share of the sampled answers whose accuracy is at least the task's threshold; accuracy: their mean. RL's
`data.difficulty: [low, high]` and its curriculum read pass_rate, and so may a mix.

Every question's answers are scored as they come and appended to `OUT/difficulty/answers.jsonl`; a run that was killed
asks what is missing there and goes on to the same rates, since each answer is drawn by a seed of its own. Accuracies
are kept, not verdicts: another threshold asks nothing again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from onethinker.corpus.rows import GROUP, ShardWriter, read_shards, to_samples, to_table
from onethinker.engines.base import Completion, Engine, Request, Sampling
from onethinker.media import MediaBudget
from onethinker.sample import DataError, Sample, Samples
from onethinker.sample.answer import Status
from onethinker.sample.shards import shard_files
from onethinker.scoring.results import content_of
from onethinker.scoring.rollout import make_request, score_completions
from onethinker.tasks import get_task
from onethinker.tasks.prompts import PromptSet
from onethinker.util.files import replacing
from onethinker.util.map_ahead import map_together
from onethinker.util.progress import bar
from onethinker.util.runs import JsonLines, locked

if TYPE_CHECKING:
    import pyarrow as pa

ANSWERS = "difficulty/answers.jsonl"


@dataclass(frozen=True)
class Asked:
    """How a model is asked. thresholds: task → the least accuracy of an answer that passes, 1 for one without."""

    engine: Engine
    model: str
    prompts: PromptSet
    budget: MediaBudget
    sampling: Sampling
    thresholds: Mapping[str, float]

    def digest(self) -> str:
        """16 hex digits over all that decides an answer: what was asked otherwise is asked again."""
        content = [self.engine.identity, self.prompts.digest, self.budget.model_dump(), asdict(self.sampling)]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


@dataclass
class Measured:
    """rates: task → the pass rates of its samples. problems: why each sample without one has none."""

    rates: dict[str, list[float]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)


def measure_difficulty(
    corpus: Path, out: Path, asked: Asked, *, media_root: Path | None = None, limit: int | None = None
) -> Measured:
    """Ask `asked.sampling.n` answers to every sample and write the corpus with what came of it.

    out: the corpus itself, whose shards are then replaced one by one, each whole, or a folder beside it, which gets
    shards of its own (their media paths stay relative to the corpus). limit: measure only the first so many samples;
    the others are kept as they are. A sample that cannot be asked keeps its row and is named. Raises DataError,
    EngineError, RunError; what was answered by then stays.
    """
    root = media_root or (corpus if corpus.is_dir() else corpus.parent)
    over = out.resolve() == corpus.resolve()
    if over and not shard_files(corpus):
        raise DataError(f"{corpus} is not in shards, so it is not written over; give --out a folder beside it")
    made = Measured()
    with locked(out), bar("measured", _count(corpus, limit)) as advance:
        answers = _Answers(out / ANSWERS, asked, root)
        left = limit

        def measured(batch: pa.RecordBatch) -> pa.Table:
            nonlocal left
            samples = to_samples(batch, str(corpus))
            known = answers.of(samples[:left], made, advance)
            left = None if left is None else max(0, left - len(samples))
            return to_table([_with(sample, known.get(n), asked, made) for n, sample in enumerate(samples)])

        if over:
            for file in shard_files(corpus):
                _replace(file, [measured(batch) for batch in read_shards(file)])
        else:
            with ShardWriter(_emptied(out)) as writer:
                for batch in read_shards(corpus):
                    writer.write(measured(batch))
    return made


def _count(corpus: Path, limit: int | None) -> int:
    total = sum(map(len, read_shards(corpus)))
    return total if limit is None else min(limit, total)


def _emptied(out: Path) -> Path:
    """Without the shards that an earlier run wrote: they follow from its answers, which stay."""
    out.mkdir(parents=True, exist_ok=True)
    for file in out.glob("samples-*.parquet"):
        file.unlink()
    return out


def _replace(file: Path, tables: Sequence[pa.Table]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with replacing(file, durable=True) as aside:
        pq.write_table(pa.concat_tables(tables).combine_chunks(), aside, row_group_size=GROUP, compression="zstd")


def _with(sample: Sample, accuracies: Sequence[float] | None, asked: Asked, made: Measured) -> Sample:
    """The sample with what is known of it; as it was where nothing is."""
    if not accuracies:
        return sample
    threshold = asked.thresholds.get(sample.task, 1.0)
    rate = fmean(accuracy >= threshold - 1e-9 for accuracy in accuracies)
    made.rates.setdefault(sample.task, []).append(rate)
    found: dict[str, Any] = {
        "pass_rate": round(rate, 6),
        "accuracy": round(fmean(accuracies), 6),
        "answers": len(accuracies),
    }
    found |= {"threshold": threshold, "model": asked.model}
    return replace(sample, meta={**sample.meta, "difficulty": found})


class _Answers:
    """The accuracies of every question's answers, those on the disk and those that are asked for."""

    def __init__(self, file: Path, asked: Asked, root: Path) -> None:
        self.asked, self.root, self.digest = asked, root, asked.digest()
        self._file = JsonLines(file)
        self._known: dict[str, list[float]] = {
            row["content"]: row["accuracies"] for row in self._file.rows() if row["settings"] == self.digest
        }

    def of(self, samples: Sequence[Sample], made: Measured, advance: Any) -> dict[int, list[float]]:
        """Place in `samples` → accuracies; those that are missing are asked for, equal questions once."""
        contents: dict[int, str] = {}
        todo: dict[str, tuple[int, Request]] = {}
        held = Samples(tuple(samples), self.root)
        for place, sample in enumerate(samples):
            try:
                get_task(sample.task).truth(sample)
                contents[place] = content_of(sample, self.root)
                request = make_request(sample, held, self.asked.prompts, self.asked.budget)
            except (DataError, OSError) as error:
                made.problems[sample.id] = str(error)
                advance(worked=False)
                continue
            if contents[place] in self._known or contents[place] in todo:
                advance(worked=False)
            else:
                todo[contents[place]] = place, request
        for _ in map_together(lambda batch: self._keep(batch, samples, made), self._ask(todo)):
            advance()
        return {place: self._known[content] for place, content in contents.items() if content in self._known}

    def _ask(self, todo: Mapping[str, tuple[int, Request]]) -> Iterator[tuple[str, int, list[Completion]]]:
        contents = list(todo)
        for index, found in self.asked.engine.answer([todo[c][1] for c in contents], self.asked.sampling):
            yield contents[index], todo[contents[index]][0], found

    def _keep(
        self, batch: Sequence[tuple[str, int, list[Completion]]], samples: Sequence[Sample], made: Measured
    ) -> list[str]:
        """Score answers and append a row a question; one with an answer that failed is asked again another time."""
        scored = score_completions([samples[place] for _, place, _ in batch], [found for _, _, found in batch])
        for (content, place, _), rollouts in zip(batch, scored, strict=True):
            failed = next((r for r in rollouts if r.score.status is Status.ERROR), None)
            if failed:
                made.problems[samples[place].id] = failed.problem
                continue
            accuracies = [r.score.accuracy if r.score.status is Status.OK else 0.0 for r in rollouts]
            row = {"settings": self.digest, "content": content, "id": samples[place].id, "accuracies": accuracies}
            self._file.append(row)
            self._known[content] = accuracies
        return [content for content, _, _ in batch]


def print_difficulty(made: Measured) -> None:
    """A line a task: how many samples, their mean pass rate, and how many lie where."""
    from rich.console import Console
    from rich.table import Table

    table = Table("task", box=None, header_style="bold")
    for name in ("samples", "mean", "never", "below half", "half or more", "always"):
        table.add_column(name, justify="right")
    for task, rates in made.rates.items():
        never, always = sum(rate == 0 for rate in rates), sum(rate == 1 for rate in rates)
        low = sum(0 < rate < 0.5 for rate in rates)
        counts = (never, low, len(rates) - never - low - always, always)
        table.add_row(task, str(len(rates)), f"{fmean(rates):.3f}", *map(str, counts))
    Console().print(table)
