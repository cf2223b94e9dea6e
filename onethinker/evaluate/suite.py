"""Benchmarks by name: what of them is on this disk, and a model's results on those that are."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from onethinker.data.sources import get_source
from onethinker.data.sources.writing import clips_unwritten
from onethinker.evaluate.benchmarks import BENCHMARKS, Benchmark, BenchmarkError, Place, choose
from onethinker.evaluate.named import EvalTarget
from onethinker.sample import DataError, Samples, load_samples
from onethinker.sample.tsv import has_rows, load_tsv
from onethinker.scoring.results import SUMMARY
from onethinker.tasks import get_task
from onethinker.util.files import write_whole
from onethinker.util.runs import stamp

SUITE = "suite.json"
FIRST = 2
"""Questions that a list opens of each benchmark."""


@dataclass(frozen=True, slots=True)
class Found:
    """Where a benchmark is. place: the first layout that is whole, None where none is. missing: for each layout that is
    not, the paths it lacks, and whether it has others of those it needs."""

    benchmark: Benchmark
    place: Place | None
    missing: tuple[tuple[tuple[Path, ...], bool], ...]

    def path(self, root: Path) -> Path:
        """The file or folder below the data root. Raises BenchmarkError where the benchmark is not there."""
        if self.place is None:
            raise BenchmarkError(f"{self.benchmark.title} is {self.absence()}")
        return root / self.place.path

    def absence(self) -> str:
        """What is missing and where to get it."""
        return f"not on this disk; expected {self.expected()}. From: {self.benchmark.origin}"

    def expected(self, parted: str = " or ") -> str:
        """The paths to fill, a layout's beside each other; of one that is half there those that it lacks."""
        return parted.join(
            ("half there, lacks " if half else "") + " and ".join(map(str, paths)) for paths, half in self.missing
        )


def look(benchmark: Benchmark, root: Path) -> Found:
    """Which of the benchmark's layouts is below the data root, by the names of its files alone."""
    lacks = []
    for place in benchmark.places:
        needed = _needed(place, root)
        missing = tuple(path for path in needed if not path.exists())
        if not missing:
            return Found(benchmark, place, ())
        lacks.append((missing, len(missing) < len(needed)))
    return Found(benchmark, None, tuple(lacks))


def _needed(place: Place, root: Path) -> list[Path]:
    path = root / place.path
    return [path] if place.reader in ("samples", "tsv") else get_source(place.reader).expected(path, place.split)


@dataclass
class Opened:
    """The first questions of benchmarks with their media, opened for a list that is to be made quickly: of those that
    share their files, as RefCOCO's splits do, once. Their pictures are unpacked, as the run would; clips of frames are
    not yet made."""

    root: Path
    problems: dict[Any, str] = field(default_factory=dict)

    def look(self, benchmark: Benchmark) -> tuple[Found, str]:
        """Where it is, and what stands in the way of its first questions: empty if they open, or if it is not there."""
        found = look(benchmark, self.root)
        if found.place is None:
            return found, ""
        key = (found.place.reader, *_needed(found.place, self.root))
        if key not in self.problems:
            self.problems[key] = self._problem(found)
        if not self.problems[key] and benchmark.where and not has_rows(found.path(self.root), benchmark.where):
            return found, f"{found.path(self.root)}: no row with {dict(benchmark.where)}"
        return found, self.problems[key]

    def _problem(self, found: Found) -> str:
        """Of its files, whatever rows of theirs the benchmark takes."""
        try:
            with clips_unwritten():
                samples = load(replace(found, benchmark=replace(found.benchmark, where={})), self.root, FIRST)
            lost = [(s.id, path) for s in samples for path in s.paths(samples.root) if not path.is_file()]
        except (DataError, OSError) as error:
            return " ".join(str(error).split())
        return f"half there: sample {lost[0][0]} needs {lost[0][1]}, which is not there" if lost else ""


def load(found: Found, root: Path, limit: int | None = None) -> Samples:
    """The benchmark's questions. Raises BenchmarkError where it is not there, DataError where it cannot be read."""
    samples, facts = _load(found, root, limit), found.benchmark.facts
    return replace(samples, items=tuple(replace(s, meta={**s.meta, **facts}) for s in samples)) if facts else samples


def _load(found: Found, root: Path, limit: int | None) -> Samples:
    path, place = found.path(root), found.place
    assert place is not None
    if place.reader == "samples":
        return load_samples(path, None, limit, strict=False)
    if place.reader == "tsv":
        return load_tsv(path, None, limit, found.benchmark.where)
    samples = Samples(tuple(islice(get_source(place.reader).read(path, place.split), limit)), path)
    if not samples:
        raise DataError(f"{path}: no questions of {found.benchmark.title} in it")
    return samples


@dataclass(frozen=True, slots=True)
class Ready:
    """Benchmarks with their questions, and by name why others are left: absent or ungraded ones of a family are
    skipped; those that are there and cannot be read are unreadable, which is a fault of the data."""

    runnable: list[tuple[Found, Samples]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def ready(names: str, root: Path, judged: bool, limit: int | None = None) -> Ready:
    """What of the benchmarks named can be run.

    One that was named itself and is not there, or lacks a judge, is refused: raises BenchmarkError with every reason,
    as it does where none is left. One that cannot be read keeps no other from running.
    """
    found_ready, refused = Ready(), []
    for name, named in choose(names).items():
        found = look(BENCHMARKS[name], root)
        try:
            samples = load(found, root, limit) if found.place else None
        except (DataError, OSError) as error:
            found_ready.unreadable[name] = str(error)
            continue
        problem = found.absence() if samples is None else _ungraded(found.benchmark, samples, judged)
        if samples is not None and not problem:
            found_ready.runnable.append((found, samples))
            continue
        found_ready.skipped[name] = problem
        if named:
            refused.append(f"{name}: {problem}")
    if refused or not found_ready.runnable:
        left = found_ready.unreadable | ({} if refused else found_ready.skipped)
        lines = refused + [f"{name}: {problem}" for name, problem in left.items()]
        raise BenchmarkError("\n  ".join(["cannot run these benchmarks:", *lines]))
    return found_ready


def _ungraded(benchmark: Benchmark, samples: Samples, judged: bool) -> str:
    """Why it cannot be run without a judge: free text that ROUGE would pass for its accuracy."""
    free = sum(get_task(sample.task).judged for sample in samples)
    if judged or not (benchmark.judge or free):
        return ""
    return (
        f"free text, {free} of its {len(samples)} questions, needs a model to grade it; "
        "name one with --judge http://host:port/v1"
    )


def run_suite(target: EvalTarget, names: str, out: Path, root: Path) -> dict[str, Any]:
    """Each benchmark into `out/NAME`, resumed where it stopped, then `out/suite.json`, which is returned.

    `benchmarks` has the entry of each one that `out` holds for this model, `skipped` why others of a family were not
    run, `unreadable` why those could not that are on the disk, in the table's order. Everything is read before anything
    is asked; raises as `ready` does.
    """
    found_ready = ready(names, root, target.judge is not None, target.recipe().data.limit)
    runnable, unreadable = found_ready.runnable, dict(found_ready.unreadable)
    for number, (found, samples) in enumerate(runnable, start=1):
        benchmark = found.benchmark
        print(f"{benchmark.name}: {number} of {len(runnable)}, {len(samples)} questions", file=sys.stderr, flush=True)
        try:
            target.evaluate(samples, out / benchmark.name, str(found.path(root)), benchmark)
        except DataError as error:
            unreadable[benchmark.name] = str(error)
    suite = {
        "model": target.model,
        "data_root": str(root),
        "at": stamp(),
        "benchmarks": _entries(out, target.model),
        "skipped": found_ready.skipped,
        "unreadable": {name: unreadable[name] for name in BENCHMARKS if name in unreadable},
    }
    write_whole(out / SUITE, json.dumps(suite, indent=1, ensure_ascii=False))
    return suite


def _entries(out: Path, model: str) -> list[dict[str, Any]]:
    """The `benchmark` entries of this model's summaries."""
    found = []
    for name in BENCHMARKS:
        file = out / name / SUMMARY
        if file.is_file():
            summary = json.loads(file.read_text(encoding="utf-8"))
            if summary["model"] == model and "benchmark" in summary:
                found.append(summary["benchmark"] | {"metric_profile": summary["metric_profile"]})
    return found
