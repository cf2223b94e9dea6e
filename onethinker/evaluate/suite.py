"""Benchmarks by name: what of them is on this disk, and a model's results on those that are."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from onethinker.data.sources import get_source
from onethinker.evaluate.benchmarks import BENCHMARKS, Benchmark, BenchmarkError, Place, choose
from onethinker.evaluate.named import Examinee
from onethinker.sample import Samples, load_samples
from onethinker.sample.tsv import load_tsv
from onethinker.scoring.judge import JUDGED
from onethinker.scoring.results import SUMMARY
from onethinker.util.files import write_whole
from onethinker.util.runs import stamp

SUITE = "suite.json"


@dataclass(frozen=True, slots=True)
class Found:
    """Where a benchmark is. place: the first layout that is whole, None where none is. missing: for each layout that is
    not, the paths it lacks."""

    benchmark: Benchmark
    place: Place | None
    missing: tuple[tuple[Path, ...], ...]

    def path(self, root: Path) -> Path:
        """The file or folder below the data root. Raises BenchmarkError where the benchmark is not there."""
        if self.place is None:
            raise BenchmarkError(f"{self.benchmark.title} is {self.absence()}")
        return root / self.place.path

    def absence(self) -> str:
        """What is missing and where to get it."""
        return f"not on this disk; expected {self.expected()}. From: {self.benchmark.origin}"

    def expected(self, parted: str = " or ") -> str:
        """The paths to fill, a layout's beside each other."""
        return parted.join(" and ".join(map(str, paths)) for paths in self.missing)


def look(benchmark: Benchmark, root: Path) -> Found:
    """Which of the benchmark's layouts is below the data root."""
    lacks = []
    for place in benchmark.places:
        missing = _missing(place, root)
        if not missing:
            return Found(benchmark, place, ())
        lacks.append(tuple(missing))
    return Found(benchmark, None, tuple(lacks))


def _missing(place: Place, root: Path) -> list[Path]:
    path = root / place.path
    if place.reader in ("samples", "tsv"):
        return [] if path.is_file() else [path]
    return get_source(place.reader).missing(path, place.split)


def load(found: Found, root: Path, limit: int | None = None) -> Samples:
    """The benchmark's questions. Raises BenchmarkError where it is not there, DataError where it cannot be read."""
    path, place = found.path(root), found.place
    assert place is not None
    if place.reader == "samples":
        return load_samples(path, None, limit)
    if place.reader == "tsv":
        return load_tsv(path, None, limit, found.benchmark.where)
    return Samples(tuple(islice(get_source(place.reader).read(path, place.split), limit)), path)


def ready(
    names: str, root: Path, judged: bool, limit: int | None = None
) -> tuple[list[tuple[Found, Samples]], dict[str, str]]:
    """Those that can be run with their questions, and why each other of a family cannot.

    One that was named itself and cannot be run is refused: raises BenchmarkError with every reason, as it does where
    none is left, and DataError for questions that cannot be read.
    """
    runnable: list[tuple[Found, Samples]] = []
    skipped: dict[str, str] = {}
    refused = []
    for name, named in choose(names).items():
        found = look(BENCHMARKS[name], root)
        samples = load(found, root, limit) if found.place else None
        problem = found.absence() if samples is None else _ungraded(found.benchmark, samples, judged)
        if samples is not None and not problem:
            runnable.append((found, samples))
            continue
        skipped[name] = problem
        if named:
            refused.append(f"{name}: {problem}")
    if refused or not runnable:
        lines = refused or [f"{name}: {problem}" for name, problem in skipped.items()]
        raise BenchmarkError("\n  ".join(["cannot run these benchmarks:", *lines]))
    return runnable, skipped


def _ungraded(benchmark: Benchmark, samples: Samples, judged: bool) -> str:
    """Why it cannot be run without a judge: free text that ROUGE would pass for its accuracy."""
    free = sum(sample.task in JUDGED for sample in samples)
    if judged or not (benchmark.judge or free):
        return ""
    return (
        f"free text, {free} of its {len(samples)} questions, needs a model to grade it; "
        "name one with --judge http://host:port/v1"
    )


def run_suite(examinee: Examinee, names: str, out: Path, root: Path, *, limit: int | None = None) -> dict[str, Any]:
    """Each benchmark into `out/NAME`, resumed where it stopped, then `out/suite.json`, which is returned.

    `benchmarks` has the entry of each one that `out` holds for this model, `skipped` why others of a family were not
    run, in the table's order. Everything is read before anything is asked; raises as `ready` does.
    """
    runnable, skipped = ready(names, root, examinee.judge is not None, limit)
    for number, (found, samples) in enumerate(runnable, start=1):
        benchmark = found.benchmark
        print(f"{benchmark.name}: {number} of {len(runnable)}, {len(samples)} questions", file=sys.stderr, flush=True)
        examinee.evaluate(samples, out / benchmark.name, str(found.path(root)), benchmark)
    suite = {
        "model": examinee.model,
        "data_root": str(root),
        "at": stamp(),
        "benchmarks": _entries(out, examinee.model),
        "skipped": skipped,
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
