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
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from onethinker.sample import DataError, Sample, parse_row
from onethinker.sample.answer import Answer, Status, read_answer
from onethinker.scoring.judge import Judge, JudgeError, regrade
from onethinker.scoring.lines import Line, read_lines
from onethinker.scoring.totals import Tally
from onethinker.tasks import get_task
from onethinker.tasks.base import RewardProfile, Score
from onethinker.tasks.batch import score_both
from onethinker.util.files import replacing
from onethinker.util.progress import bar

MAX_LINE = 64 << 20
"""Bytes of one line; a longer one is an error and is skipped without being held in memory."""
CHUNK_ROWS, CHUNK_BYTES = 1500, 4 << 20
FINISHES = ("stop", "length", "error")
_SMALL = 8 << 20
"""Bytes; starting processes takes longer than scoring a smaller file."""


class ScoreError(RuntimeError):
    """Scoring as a whole cannot go on; says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line, scored. name: its id with the key it had. sample, answer: None where the line could not be read."""

    line: int
    name: tuple[str, Any]
    sample: Sample | None
    answer: Answer | None
    score: Score
    lenient: Score
    message: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    """A chunk, ready to write. size: bytes read. problems: number and message of each line in error."""

    text: bytes
    problems: list[tuple[int, str]]
    tally: Tally
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
) -> Tally:
    """Score every line of `source` into `out`; returns the counts and the metrics' sums.

    workers: processes; 0 takes the machine's, or one for a small file. judge: grades free-text answers instead of
    ROUGE. in_group: a judge's grades are normalised among neighbouring lines of one sample.
    report(line, message): called for each line in error, in order. Memory is bounded by the workers, not by the file.
    Raises ScoreError, FileNotFoundError.
    """
    size = source.stat().st_size
    if out.exists() and out.samefile(source):
        raise ScoreError(f"{out} is the file to be scored; give another --out")
    workers = workers or (1 if size < _SMALL else os.cpu_count() or 1)
    tally = Tally()
    with (
        replacing(out) as aside,
        aside.open("wb") as written,
        bar("scored MB", _megabytes(size)) as advance,
    ):
        read = 0
        for done in _scored(read_lines(source, MAX_LINE), profile, workers, judge, in_group):
            written.write(done.text)
            tally.add(done.tally)
            for line, message in done.problems:
                if report is not None:
                    report(line, message)
            before, read = read, read + done.size
            advance(_megabytes(read) - _megabytes(before))
    return tally


def _megabytes(size: int) -> int:
    return math.ceil(size / 1e6)


def _scored(
    lines: Iterator[Line], profile: RewardProfile, workers: int, judge: Judge | None, in_group: bool
) -> Iterator[Done]:
    chunks = _chunks(lines)
    if judge is None:
        yield from _in_order(score_chunk, chunks, workers, profile)
        return
    for batch in _groups(_in_order(read_chunk, chunks, workers)):
        yield _finish(_judged(batch, judge, in_group), profile, sum(size for _, size in batch))


# ---- reading ----------------------------------------------------------------------------------------------------


def _chunks(lines: Iterator[Line]) -> Iterator[list[Line]]:
    while chunk := list(islice(lines, 1)):
        room = CHUNK_BYTES - len(chunk[0][1] or b"")
        while room > 0 and len(chunk) < CHUNK_ROWS and (more := next(lines, None)):
            chunk.append(more)
            room -= len(more[1] or b"")
        yield chunk


def read_chunk(chunk: Sequence[Line]) -> tuple[list[Row], int]:
    """The lines, read and scored, and how many bytes they were."""
    rows: list[Row | None] = [_unread(line, raw) for line, raw in chunk]
    read = []
    for place, (line, raw) in enumerate(chunk):
        if rows[place] is None:
            assert raw is not None
            try:
                read.append((place, *_read_line(raw, f"line {line}")))
            except (DataError, KeyError, TypeError, ValueError, RecursionError) as error:
                rows[place] = _failed(line, _name_of(raw, line), error)
    scores = score_both([sample for _, _, sample, _ in read], [answer for *_, answer in read])
    for (place, name, sample, answer), (score, lenient) in zip(read, scores, strict=True):
        line = chunk[place][0]
        if isinstance(score, DataError) or isinstance(lenient, DataError):
            rows[place] = _failed(line, name, score)
        else:
            message = "the response is an engine's failure" if score.status is Status.ERROR else ""
            rows[place] = Row(line, name, sample, answer, score, lenient, message)
    return [row for row in rows if row is not None], sum(len(raw or b"") for _, raw in chunk)


def _unread(line: int, raw: bytes | None) -> Row | None:
    if raw is not None:
        return None
    return _failed(line, ("id", None), f"expected a line of at most {MAX_LINE >> 20} MB; it was skipped")


def _failed(line: int, name: tuple[str, Any], error: object) -> Row:
    message = str(error.args[0] if isinstance(error, KeyError) else error).removeprefix(f"line {line}: ")
    return Row(line, name, None, None, Score(Status.ERROR), Score(Status.ERROR), message)


def _read_line(raw: bytes, where: str) -> tuple[tuple[str, Any], Sample, Answer]:
    row = json.loads(raw.decode("utf-8"))
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected an object, found {type(row).__name__}; one sample a line")
    response, finish = row.pop("response", None), row.pop("finish", None) or "stop"
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
    rows, size = read_chunk(chunk)
    return _finish(rows, profile, size)


def _in_order(work: Any, chunks: Iterable[list[Line]], workers: int, *given: Any) -> Iterator[Any]:
    """`work(chunk, *given)` of each chunk, in order; a few chunks a worker are under way at a time."""
    if workers <= 1:
        for chunk in chunks:
            yield work(chunk, *given)
        return
    with ExitStack() as stack:
        pool = stack.enter_context(ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")))
        stack.callback(pool.shutdown, wait=False, cancel_futures=True)
        waiting: deque[Future[Any]] = deque()
        try:
            for chunk in chunks:
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
    tally = Tally()
    for row in rows:
        tally.count(row.sample.task if row.sample else None, row.score, row.lenient, profile)
    text = "".join(json.dumps(_line_out(row, profile), allow_nan=False) + "\n" for row in rows).encode()
    problems = [(row.line, row.message) for row in rows if row.score.status is Status.ERROR]
    return Done(text, problems, tally, size)


def _line_out(row: Row, profile: RewardProfile) -> dict[str, Any]:
    key, name = row.name
    found = {key: name, "line": row.line, "task": row.sample.task if row.sample else None}
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


def _groups(read: Iterable[tuple[list[Row], int]]) -> Iterator[list[tuple[Row, int]]]:
    """Batches of rows, with the bytes each stands for, that do not part neighbouring rows of one sample."""
    batch: list[tuple[Row, int]] = []
    for rows, size in read:
        share = size // max(len(rows), 1)
        for row in rows:
            if len(batch) >= CHUNK_ROWS and (row.name != batch[-1][0].name or len(batch) >= 10 * CHUNK_ROWS):
                yield batch
                batch = []
            batch.append((row, share))
    if batch:
        yield batch


def _judged(batch: Sequence[tuple[Row, int]], judge: Judge, in_group: bool) -> list[Row]:
    rows = [row for row, _ in batch]
    places = [p for p, row in enumerate(rows) if row.sample and row.score.status is not Status.ERROR]
    asked = [(row.sample, row.answer) for row in (rows[p] for p in places)]
    found = []
    for lenient in (False, True):
        scores = [rows[p].lenient if lenient else rows[p].score for p in places]
        samples, answers = [s for s, _ in asked if s], [a for _, a in asked if a]
        found.append(regrade(samples, answers, scores, judge, in_group=in_group))
    for place, score, lenient_score in zip(places, *found, strict=True):
        if isinstance(score, JudgeError) or isinstance(lenient_score, JudgeError):
            rows[place] = _error_of(rows[place], score if isinstance(score, JudgeError) else lenient_score)
        else:
            rows[place] = replace(rows[place], score=score, lenient=lenient_score)
    return rows


def _error_of(row: Row, error: object) -> Row:
    return replace(row, score=Score(Status.ERROR), lenient=Score(Status.ERROR), message=f"judge: {error}")
