"""An evaluation's folder: what one answer's row holds, the identity that decides whether a row may be used again, and
how the rows that count are found.

    results.jsonl     a row for every answer, of any model and settings; appended to, never changed
    samples.jsonl     the questions
    questions.json    id of a question → `content_of` it
    summary.json      what the rows come to; its `settings` name those that count
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from msgspec import structs

from onethinker.engines.base import Sampling
from onethinker.media import MediaBudget
from onethinker.sample import Sample
from onethinker.sample.answer import Status
from onethinker.scoring.rollout import Rollout
from onethinker.tasks.base import Score
from onethinker.util.plugins import plugin_identity
from onethinker.util.runs import JsonLines, RunError, read_json, stamp

RESULTS, SAMPLES, QUESTIONS, SUMMARY = "results.jsonl", "samples.jsonl", "questions.json", "summary.json"

Row = dict[str, Any]
Decoding = Literal["greedy", "sampled"]

MEASURES = 2
"""Number of the readings and measures behind a score, raised with every change of a verdict, so that no summary holds
scores of two kinds; 1 was that of 0.1's first runs."""
_PIECE = 1 << 20
"""Bytes; files of up to four pieces are hashed whole, longer ones by their size and first, middle and last piece."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything but the question that decides a result. Two rows with one digest were made the same way."""

    engine: str
    prompts: str
    sampling: Sampling
    budget: MediaBudget
    metric_profile: str
    segmenter: str = ""
    judge: str = ""

    @property
    def decoding(self) -> Decoding:
        return "greedy" if self.sampling.temperature == 0 else "sampled"

    def digest(self) -> str:
        """16 hex digits. A greedy answer depends on no seed and no top_p, so those do not count there."""
        sampling = asdict(self.sampling)
        if self.decoding == "greedy":
            sampling = {"max_tokens": self.sampling.max_tokens, "temperature": 0}
        budget = self.budget.model_dump()
        content: list[Any] = [
            self.engine,
            self.prompts,
            sampling,
            budget,
            self.metric_profile,
            self.segmenter,
            MEASURES,
        ]
        content += [self.judge] if self.judge else []
        content += [plugins] if (plugins := plugin_identity()) else []  # whose tasks read, measure and reward
        return _hash(json.dumps(content, sort_keys=True))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def content_of(sample: Sample, root: Path) -> str:
    """16 hex digits over the question, its truth and the bytes of its media. Raises DataError or OSError."""
    return _hash(sample.digest() + "".join(file_digest(path) for path in sample.paths(root)))


def samples_digest(samples: Iterable[Sample]) -> str:
    """16 hex digits over the questions and truths of a set, in their order."""
    return _hash("".join(sample.digest() for sample in samples))


def file_digest(path: Path) -> str:
    """A hash of a media file's content; it changes when the file does, even under the same name."""
    stat = path.stat()
    return _file_digest(path, stat.st_size, stat.st_mtime_ns)


@functools.lru_cache(maxsize=65_536)
def _file_digest(path: Path, size: int, modified_ns: int) -> str:
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as file:
        if size <= 4 * _PIECE:
            digest.update(file.read())
        else:
            for start in (0, (size - _PIECE) // 2, size - _PIECE):
                file.seek(start)
                digest.update(file.read(_PIECE))
    return digest.hexdigest()


def result_row(rollout: Rollout, settings: Settings, content: str) -> Row:
    """The row of one answer: the rollout's own, its identity, and what metrics need to be pooled again without us.

    lenient: kept only where it reads otherwise than `score`, None elsewhere.
    """
    score, lenient = rollout.score, rollout.lenient
    differs = (lenient.status, lenient.accuracy) != (score.status, score.accuracy)
    return (
        rollout.row()
        | score_row(score)
        | {
            "source": rollout.sample.source,
            "content": content,
            "settings": settings.digest(),
            "engine": settings.engine,
            "decoding": settings.decoding,
            "lenient": score_row(lenient) if differs else None,
            "at": stamp(),
        }
    )


_LENGTH = ("characters", "tokens")
"""Of a score, which a row has in its `response` and `tokens`."""


def score_row(score: Score) -> Row:
    """A score as JSON; `score_of` gives it back, its length from the row's other fields."""
    values = {name: value for name, value in structs.asdict(score).items() if name not in _LENGTH}
    return values | {"status": score.status.value}


def score_of(row: Mapping[str, Any]) -> Score:
    """The score that a row holds; null, which is how a row keeps NaN, is NaN again."""
    values = {name: row[name] for name in Score.__struct_fields__ if name not in _LENGTH}
    for name in ("components", "r_acc"):
        values[name] = {k: math.nan if v is None else v for k, v in row[name].items()}
    length = {"characters": len(row.get("response", "")), "tokens": row.get("tokens") or None}
    return Score(**values | {"status": Status(row["status"])} | length)


def lenient_score_of(row: Mapping[str, Any]) -> Score:
    """The score under lenient reading."""
    return score_of({**row, **(row["lenient"] or {})})


def is_error(row: Mapping[str, Any]) -> bool:
    return bool(row["status"] == Status.ERROR)


def current(
    rows: Iterable[Row], kept: dict[tuple[str, str, int], Row] | None = None
) -> dict[tuple[str, str, int], Row]:
    """The row that counts for each `(settings, content, index)`: the last, but never an error after an answer. kept:
    what counts of the rows before these; it is changed and returned."""
    kept = {} if kept is None else kept
    for row in rows:
        key = (row["settings"], row["content"], row["index"])
        if key not in kept or not is_error(row) or is_error(kept[key]):
            kept[key] = row
    return kept


# ---- folders ----------------------------------------------------------------------------------------------------


def read_summary(folder: Path) -> dict[str, Any]:
    """The summary of an evaluation's folder. Raises RunError where there is none, or another file of that name."""
    file = folder / SUMMARY
    if not file.exists():
        parts = sorted(found.parent.name for found in folder.glob(f"*/{SUMMARY}"))
        hint = f", one of {', '.join(parts)} in it" if parts else ""
        raise RunError(f"{folder} has no {SUMMARY}; give the folder of a finished evaluation{hint}")
    summary = read_json(file)
    if not isinstance(summary, dict) or not {"tasks", "mean", "settings"} <= summary.keys():
        raise RunError(f"{file}: not an evaluation's summary; run the evaluation again")
    return summary


def answers_of(folder: Path, *settings: str) -> dict[str, list[Row]]:
    """id of a question → its rows made with any of these settings; equal questions share theirs, those without any are
    left out. Raises RunError."""
    of_content: dict[str, list[Row]] = {}
    for (digest, content, _), row in current(JsonLines(folder / RESULTS).rows()).items():
        if digest in settings:
            of_content.setdefault(content, []).append(row)
    asked: dict[str, str] = read_json(folder / QUESTIONS)
    return {
        name: [row | {"id": name} for row in of_content[content]]
        for name, content in asked.items()
        if content in of_content
    }
