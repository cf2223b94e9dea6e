"""Runs of training under one folder, for the page: what they answered, step by step, and their reports.

Nothing outside the folder is opened but the media of a run's own questions where they lie in it or under the media
root, and those only by the processes that decode uploads too.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.report.rollouts import Wanted
from onethinker.sample import DataError, Sample, Samples, load_samples
from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem

DEPTH, RUNS = 5, 1000
"""Folders below the root that are looked into, and runs that are found at most."""
TEXT = 20_000
"""Characters that are shown of a question, a truth or a response."""
TURNS = 50
"""That are shown of one answer."""
LOOKED_AT = 20_000
"""Rollouts that one request looks at; what is not found among them is looked for by the next."""
LINK_SECONDS, LINKS = 300.0, 1000
_COLUMNS = (
    dict.fromkeys(("id", "task", "modality", "status", "finish", "error", "question", "truth", "response"), "text")
    | dict.fromkeys(("step", "index", "tokens", "prompt_tokens", "format"), "whole")
    | dict.fromkeys(("seconds", "reward", "accuracy", "structure", "advantage"), "real")
    | {"components": "list"}
)
"""As `train.experience.write_rollouts` has them."""
_EMPTY: dict[str, Any] = {"text": "", "whole": 0, "real": None, "list": []}
_TEXTS = ("response", "question", "truth", "error", "turns")
_BATCH, _TEXT_BYTES = 64, 1 << 20
_PLACE = re.compile(r"([\w.-]{1,80}):(\d{1,12})", re.ASCII)
_SAMPLES_KEPT = 4


@dataclass(frozen=True)
class Place:
    """Where a rollout stands: its step's file by name, as others come while a run goes on, and its row."""

    file: str
    row: int

    @classmethod
    def read(cls, text: str) -> Place:
        """`FILE:ROW`. Raises Problem."""
        found = _PLACE.fullmatch(text)
        if found is None:
            raise Problem(422, f"at: expected FILE:ROW as /v1/rollouts gives it, came {text[:60]!r}", param="at")
        return cls(found[1], int(found[2]))

    def __str__(self) -> str:
        return f"{self.file}:{self.row}"


class Runs:
    """root: the folder of runs. media_root: another one whose media may be shown."""

    def __init__(self, root: Path, limits: Limits, media_root: Path | None = None) -> None:
        self.root, self.limits = root.resolve(), limits
        self.roots = [self.root, *([media_root.resolve()] if media_root else [])]
        self._samples: OrderedDict[Path, dict[str, tuple[Sample, Path]]] = OrderedDict()
        self._links: OrderedDict[str, tuple[Path, float]] = OrderedDict()

    # ---- runs ---------------------------------------------------------------------------------------------------

    def listed(self) -> list[dict[str, Any]]:
        """Each folder with rollouts or a report: name (relative to the root), steps, report (whether there is one)."""
        found = list[dict[str, Any]]()
        for folder, folders, files in os.walk(self.root):  # links to folders are not followed
            here = Path(folder)
            depth = len(here.relative_to(self.root).parts)
            folders[:] = sorted(f for f in folders if depth < DEPTH and not f.startswith((".", "checkpoints")))
            steps = len(self._steps(here)) if "rollouts" in folders else 0
            if steps or "report.html" in files:
                name = here.relative_to(self.root).as_posix()
                found.append({"name": name, "steps": steps, "report": "report.html" in files})
            if len(found) >= RUNS:
                break
        return found

    def find(self, name: str) -> Path:
        """A run's folder. Raises Problem, in the same words for what is outside and what is not there."""
        try:
            folder = (self.root / name).resolve()
            if folder.is_relative_to(self.root) and folder.is_dir():
                return folder
        except (OSError, ValueError):
            pass
        raise Problem(404, "run: there is no such run; /v1/runs lists them", param="run")

    def _steps(self, run: Path) -> list[Path]:
        """The files of a run's rollouts, the newest step first."""
        return sorted((run / "rollouts").glob("*.parquet"), reverse=True)

    def _inside(self, file: Path, kind: str) -> Path:
        """The file, which is one, lies under the root and is not too large. Raises Problem."""
        whole = file.resolve()
        if not whole.is_relative_to(self.root) or not whole.is_file():
            raise Problem(404, f"run: it has no {kind}", param="run")
        if (size := whole.stat().st_size) > self.limits.report_bytes:
            raise Problem(413, f"run: its {kind} has {size:,} bytes; at most {self.limits.report_bytes:,} are read")
        return whole

    # ---- rollouts -----------------------------------------------------------------------------------------------

    def rollouts(self, name: str, wanted: Wanted, after: Place | None, limit: int) -> tuple[list[dict], Place | None]:
        """Up to `limit` rollouts that are wanted, those after a place; and where to go on, None at the end. Raises
        Problem."""
        steps, rows, looked = self._steps(self.find(name)), list[dict[str, Any]](), 0
        for file in steps:
            if after and file.stem > after.file:
                continue
            first = after.row + 1 if after and file.stem == after.file else 0
            for row, values in self._read(file, first):
                looked += 1
                place = Place(file.stem, row)
                if wanted.takes(values):
                    rows.append({"at": str(place), **shown(values)})
                if len(rows) >= limit or looked >= LOOKED_AT:
                    return rows, place
        return rows, None

    def rollout(self, name: str, at: Place) -> dict[str, Any]:
        """One rollout, whole. Raises Problem."""
        for file in self._steps(self.find(name)):
            if file.stem == at.file:
                for _, values in self._read(file, at.row):
                    return values
        raise Problem(404, f"at: the run has no rollout {at}; /v1/rollouts lists them", param="at")

    def _read(self, file: Path, first: int) -> Iterator[tuple[int, dict[str, Any]]]:
        """Rows from one on, each with its number. Raises Problem."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            whole = self._inside(file, "rollouts")
            there = [name for name in _TEXTS if name in pq.read_schema(whole).names]
            columns = [*_COLUMNS, *(["turns"] if "turns" in there else [])]
            # Texts stay as the file holds them, one of many rows once, until they are known to be short.
            with pq.ParquetFile(whole, read_dictionary=there) as table:
                _check_size(table.metadata, self.limits.report_bytes)
                _check_columns(table.schema_arrow)
                begin = 0
                for batch in table.iter_batches(_BATCH, columns=columns):
                    if begin + batch.num_rows > first:
                        _check_texts(batch, there)
                        for row, values in enumerate(batch.to_pylist(), start=begin):
                            if row >= first:
                                yield (
                                    row,
                                    {k: _EMPTY[_COLUMNS.get(k, "text")] if v is None else v for k, v in values.items()},
                                )
                    begin += batch.num_rows
        except KeyError as error:
            lacking = str(error.args[0])[:60]
            words = f"run: {file.name} has no such column {lacking!r} as is wanted; it may come from another version"
            raise Problem(422, words, param="run") from error
        except (pa.ArrowException, OSError, ValueError, UnicodeError) as error:
            words = f"run: {file.name} does not hold rollouts ({type(error).__name__}); it may still be written"
            raise Problem(422, words, param="run") from error

    def sample(self, name: str, row: dict[str, Any]) -> tuple[Sample, list[Path]] | None:
        """The question of a rollout with its media, where the run's data are there and it is still the same one."""
        for samples in self._data(self.find(name)):
            found = samples.get(str(row["id"]))
            if found and (found[0].question, found[0].truth) == (row["question"], row["truth"]):
                sample, root = found
                try:
                    files = [file.resolve() for file in sample.paths(root)]
                except (DataError, OSError):
                    return None
                inside = all(f.is_file() and any(f.is_relative_to(r) for r in self.roots) for f in files)
                return (sample, files) if inside else None
        return None

    def _data(self, run: Path) -> Iterator[dict[str, tuple[Sample, Path]]]:
        """Samples by id of each place where a run's data may be."""
        places = [(run.parent / "world" / "train", ""), (run / "world" / "train", "")]
        try:
            data = json.loads((run / "config.json").read_text(encoding="utf-8"))["recipe"]["data"]
            # As it was typed: relative to the folder in which the run was started, most likely one above the root.
            places = [(base / data["train"], data["media_root"]) for base in (Path(), *self.root.parents[:2])
                      if data["train"]] + places  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError):
            pass
        for folder, media_root in places:
            whole = folder.resolve()
            if any(whole.is_relative_to(root) for root in self.roots) and self._is_small(whole):
                yield self._samples_of(whole, media_root)

    def _is_small(self, data: Path) -> bool:
        """Whether it is there, and what one would read whole to find a question in it."""
        files = [data] if data.is_file() else [*data.glob("samples*")] if data.is_dir() else []
        return 0 < sum(file.stat().st_size for file in files) <= self.limits.report_bytes

    def _samples_of(self, data: Path, media_root: str) -> dict[str, tuple[Sample, Path]]:
        if data not in self._samples:
            try:
                found = load_samples(data, media_root or None, strict=False)
            except (DataError, OSError):
                found = Samples((), data)
            self._samples[data] = {sample.id: (sample, found.root) for sample in found}
            while len(self._samples) > _SAMPLES_KEPT:
                self._samples.popitem(last=False)
        return self._samples[data]

    # ---- reports ------------------------------------------------------------------------------------------------

    def link(self, name: str) -> str:
        """A secret that opens a run's report for a while: a page that a browser opens by itself sends no token. Raises
        Problem."""
        file = self._inside(self.find(name) / "report.html", "report.html; `onethinker report` writes it")
        made = secrets.token_urlsafe(16)
        self._links[made] = file, time.monotonic() + LINK_SECONDS
        while len(self._links) > LINKS:
            self._links.popitem(last=False)
        return made

    def report(self, link: str) -> bytes:
        """Raises Problem."""
        file, until = self._links.get(link, (self.root, 0.0))
        if time.monotonic() > until:
            raise Problem(404, "there is no such report (any more); open it again from the page")
        return self._inside(file, "report").read_bytes()


def _check_columns(schema: Any) -> None:
    """Raises KeyError with the first that is missing or of another type."""
    from pyarrow import types

    kinds = {
        "text": lambda kind: types.is_string(kind) or types.is_large_string(kind),
        "whole": types.is_integer,
        "real": types.is_floating,
        "list": types.is_list,
    }
    for name, kind in _COLUMNS.items():
        found = schema.field(name).type
        if not kinds[kind](found.value_type if types.is_dictionary(found) else found):
            raise KeyError(name)


def _check_size(metadata: Any, most: int) -> None:
    """By what the file says of itself, before any of it is unpacked. Raises Problem."""
    size = sum(metadata.row_group(n).total_byte_size for n in range(metadata.num_row_groups))
    if size > 8 * most:
        raise Problem(413, f"run: a step's rollouts of {size:,} bytes unpacked; at most {8 * most:,} are read")


def _check_texts(batch: Any, names: list[str]) -> None:
    """Raises Problem for a text that is longer than any answer: a few bytes of a file may say it of every row."""
    import pyarrow.compute as pc

    for name in names:
        column = batch.column(name)
        longest = pc.max(pc.binary_length(getattr(column, "dictionary", column).cast("string"))).as_py() or 0
        if longest > _TEXT_BYTES:
            raise Problem(413, f"run: a {name} of {longest:,} bytes; at most {_TEXT_BYTES:,} are read", param="run")


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row as JSON: long texts cut, what is not a finite number null."""
    shown = {key: value for key, value in row.items() if key != "turns"}
    for key in ("question", "truth", "response", "error", "id"):
        shown[key] = str(row[key] or "")[:TEXT]
    for key in ("reward", "accuracy", "structure", "advantage", "seconds"):
        shown[key] = _finite(row[key])
    parts = [part for part in row["components"][:50] if isinstance(part, dict)]
    shown["components"] = {str(part.get("name"))[:100]: _finite(part.get("value")) for part in parts}
    return shown


def turns_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of a rollout as a result's record has them, pictures as the words that stand for them."""
    try:
        found = json.loads(row.get("turns") or "[]")
    except (ValueError, RecursionError):
        return []
    whole = [
        turn
        for turn in (found if isinstance(found, list) else [])[:TURNS]
        if isinstance(turn, dict) and all(isinstance(turn.get(key), str) for key in ("text", "tool", "response"))
    ]
    return [
        {"text": turn["text"][:TEXT], "tool": turn["tool"][:100], "failed": bool(turn.get("failed")),
         "response": [turn["response"][:TEXT]]}
        for turn in whole
    ]  # fmt: skip


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < float("inf") else None
