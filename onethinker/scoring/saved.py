"""Score saved responses without a model: JSON lines, or a JSON list, in, JSON lines out, in order, one for one.

A line in is a sample in any form that `sample.parse_row` reads, plus `response` and optionally `finish`, or a row of an
evaluation's `results.jsonl`, whose question stands beside it (`lines`). A line out has
`id` (`problem_id` where the line in has that), `line`, `task`, `status`, `accuracy`, `format`, `structure`, `reward`,
`components` and `lenient` (status and accuracy under lenient reading). A line that cannot be scored becomes a row of
status `error` with its `message`, and stops nothing. The output is written aside and moved in whole at the end, so that
it is never half of one; rerunning scores everything anew, which is cheap, while a judge's verdicts stay in its cache.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from onethinker.sample import DataError, Sample, parse_row
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.scoring.judge import Judge
from onethinker.scoring.lines import Line, read_lines
from onethinker.scoring.scores import score_many
from onethinker.scoring.totals import MetricTotals
from onethinker.tasks import get_task
from onethinker.tasks.base import RewardProfile, Score
from onethinker.util.files import replacing
from onethinker.util.interrupt import signals_kept_from_children
from onethinker.util.plugins import load_plugins
from onethinker.util.progress import bar
from onethinker.util.ray import map_in_order

MAX_LINE = 64 << 20
"""Bytes of one line; a longer one is an error and is skipped without being held in memory."""
CHUNK_ROWS, CHUNK_BYTES = 1500, 4 << 20
FINISHES = ("stop", "length", "error")
_SMALL = 8 << 20
"""Bytes; starting processes takes longer than scoring a smaller file."""


class ScoreError(RuntimeError):
    """Scoring as a whole cannot go on; says what to do."""


class Read(msgspec.Struct, frozen=True):
    """One line, read. name: its id with the key it had. sample, answer: None where `message` says why it is unread."""

    line: int
    name: tuple[str, Any]
    sample: Sample | None = None
    answer: Answer | None = None
    message: str = ""


class Row(msgspec.Struct, frozen=True):
    """One line, scored. message: why it is of status `error`, empty where it is not."""

    read: Read
    score: Score
    lenient: Score
    message: str = ""

    @property
    def task(self) -> str | None:
        return self.read.sample.task if self.read.sample else None


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk, ready to write. size: bytes read. problems: number and message of each line in error."""

    text: bytes
    problems: list[tuple[int, str]]
    totals: MetricTotals
    size: int


def score_file(
    source: Path,
    out: Path,
    *,
    profile: RewardProfile = "released",
    workers: int = 0,
    judge: Judge | None = None,
    in_group: bool = False,
    report: Any = None,
    ray: str = "",
) -> MetricTotals:
    """Score every line of `source` into `out`; returns the counts and the metrics' sums.

    workers: processes; 0 takes the machine's, or one for a small file. ray: an address of Ray, whose
    processors are then the workers. judge: grades free-text answers instead of
    ROUGE. in_group: a judge's grades are normalised among neighbouring lines of one sample.
    report(line, message): called for each line in error, in order. Memory is bounded by the workers, not by the file.
    Raises ScoreError, FileNotFoundError.
    """
    size = source.stat().st_size
    if out.exists() and out.samefile(source):
        raise ScoreError(f"{out} is the file to be scored; give another --out")
    workers = workers or (1 if size < _SMALL else os.cpu_count() or 1)
    totals = MetricTotals()
    with (
        replacing(out) as aside,
        aside.open("wb") as written,
        bar("scored MB", _megabytes(size)) as advance,
    ):
        read = 0
        for done in _scored(read_lines(source, MAX_LINE), profile, ray or workers, judge, in_group):
            written.write(done.text)
            totals.add(done.totals)
            for line, message in done.problems:
                if report is not None:
                    report(line, message)
            before, read = read, read + done.size
            advance(_megabytes(read) - _megabytes(before))
    return totals


def _megabytes(size: int) -> int:
    return math.ceil(size / 1e6)


def _scored(
    lines: Iterator[Line], profile: RewardProfile, workers: int | str, judge: Judge | None, in_group: bool
) -> Iterator[Done]:
    chunks = _chunks(lines)
    if judge is None:
        yield from _in_order(score_chunk, chunks, workers, profile)
        return
    for batch, size in _groups(_in_order(read_chunk, chunks, workers)):
        yield _finish(score_lines(batch, judge, in_group), profile, size)


# ---- reading ----------------------------------------------------------------------------------------------------


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, 1)):
        room = CHUNK_BYTES - len(chunk[0][1] or b"")
        while room > 0 and len(chunk) < CHUNK_ROWS and (more := next(lines, None)):
            chunk.append(more)
            room -= len(more[1] or b"")
        yield chunk


def read_chunk(chunk: Sequence[Line]) -> tuple[list[Read], int]:
    """The lines, read, and how many bytes they were."""
    return [_read_line(line, raw) for line, raw in chunk], sum(len(raw or b"") for _, raw in chunk)


def score_lines(read: Sequence[Read], judge: Judge | None = None, in_group: bool = False) -> list[Row]:
    """The lines' scores, in order; a line that could not be read or scored is of status `error`."""
    known = [(line.sample, line.answer) for line in read]
    samples, answers = [s for s, _ in known if s], [a for _, a in known if a]
    scored = iter(score_many(samples, answers, lenient=True, judge=judge, in_group=in_group))
    failed = Score(Status.ERROR)
    rows = []
    for line in read:
        if line.sample is None:
            rows.append(Row(line, failed, failed, line.message))
            continue
        found = next(scored)
        message = _without_line(found.problem, line.line)
        if found.score.status is Status.ERROR and not message:
            message = "the response is an engine's failure"
        rows.append(Row(line, found.score, found.lenient, message))
    return rows


def _read_line(line: int, raw: bytes | None) -> Read:
    if raw is None:
        return Read(line, ("id", None), message=f"expected a line of at most {MAX_LINE >> 20} MB; it was skipped")
    try:
        name, sample, answer = _parse_line(raw, f"line {line}")
    except (DataError, KeyError, TypeError, ValueError, RecursionError) as error:
        text = str(error.args[0] if isinstance(error, KeyError) else error)
        return Read(line, _name_of(raw, line), message=_without_line(text, line))
    return Read(line, name, sample, answer)


def _without_line(message: str, line: int) -> str:
    return message.removeprefix(f"line {line}: ")


def _parse_line(raw: bytes, where: str) -> tuple[tuple[str, Any], Sample, Answer]:
    try:
        row = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}); mend or remove the line") from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object, found {type(row).__name__}; one sample a line")
    response, finish = row.pop("response", None), row.pop("finish", None) or "stop"
    if response is None:
        raise DataError(f"{where}: no 'response'; expected the model's text beside the sample's own fields")
    if not isinstance(response, str):
        raise DataError(f"{where}: field 'response' is a {type(response).__name__}; expected the model's text")
    if finish not in FINISHES:
        raise DataError(f"{where}: field 'finish' is {finish!r:.40}; expected {', '.join(FINISHES)}")
    sample = parse_row(row, where)
    get_task(sample.task)
    return _name(row, sample.id), sample, read_answer(response, finish)


def _name(row: dict[str, Any], default: Any) -> tuple[str, Any]:
    key = "problem_id" if "problem_id" in row else "id"
    return key, row.get(key, default)


def _name_of(raw: bytes, line: int) -> tuple[str, Any]:
    """The id of a line that could not be read as a sample, None where it has none."""
    try:
        row = json.loads(raw)
    except (ValueError, RecursionError):
        return "id", None
    return _name(row, None) if isinstance(row, dict) else ("id", None)


# ---- in parallel ------------------------------------------------------------------------------------------------


def score_chunk(chunk: Sequence[Line], profile: RewardProfile) -> Done:
    """The lines, scored and ready to write."""
    read, size = read_chunk(chunk)
    return _finish(score_lines(read), profile, size)


def _in_order(work: Any, chunks: Iterable[list[Line]], workers: int | str, *given: Any) -> Iterator[Any]:
    """`work(chunk, *given)` of each chunk, in order; a few chunks a worker are under way at a time. workers: processes,
    or an address of Ray."""
    if isinstance(workers, str):
        yield from map_in_order(lambda chunk: work(chunk, *given), chunks, workers)
        return
    if workers <= 1:
        for chunk in chunks:
            yield work(chunk, *given)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), load_plugins))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        waiting: deque[Future[Any]] = deque()
        try:
            for chunk in chunks:
                with signals_kept_from_children():  # the first of them starts the processes
                    waiting.append(pool.submit(work, chunk, *given))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ScoreError(
                "a scoring process was ended from outside, for its memory perhaps; use fewer --workers"
            ) from error


def _finish(rows: Sequence[Row], profile: RewardProfile, size: int) -> Done:
    totals = MetricTotals()
    for row in rows:
        totals.count(row.task, row.score, row.lenient, profile)
    text = "".join(json.dumps(_line_out(row, profile), allow_nan=False) + "\n" for row in rows).encode()
    problems = [(row.read.line, row.message) for row in rows if row.score.status is Status.ERROR]
    return Done(text, problems, totals, size)


def _line_out(row: Row, profile: RewardProfile) -> dict[str, Any]:
    key, name = row.read.name
    found = {key: name, "line": row.read.line, "task": row.task}
    score, lenient = row.score, row.lenient
    if score.status is Status.ERROR:
        unknown = dict.fromkeys(("accuracy", "format", "structure", "reward"))
        return found | {"status": "error"} | unknown | {"components": {}, "lenient": None, "message": row.message}
    return found | {
        "status": score.status.value,
        "accuracy": score.accuracy,
        "format": score.format,
        "structure": score.structure,
        "reward": score.reward(profile),
        "components": dict(score.components),
        "lenient": {"status": lenient.status.value, "accuracy": lenient.accuracy},
    }


# ---- judging ----------------------------------------------------------------------------------------------------


def _groups(chunks: Iterable[tuple[list[Read], int]]) -> Iterator[tuple[list[Read], int]]:
    """Batches of lines, with the bytes they stand for, that do not part neighbouring lines of one sample."""
    batch: list[Read] = []
    size = 0.0
    for lines, chunk_size in chunks:
        for line in lines:
            if len(batch) >= CHUNK_ROWS and (line.name != batch[-1].name or len(batch) >= 10 * CHUNK_ROWS):
                yield batch, round(size)
                batch, size = [], 0.0
            batch.append(line)
            size += chunk_size / len(lines)
    if batch:
        yield batch, round(size)
