"""Rows a second of every stage of a build, and the most memory it took, on rows of metadata with a few shared pictures.

    python benchmarks/corpus.py [--rows 2000000] [--folder FOLDER]

Three sources of own data in Parquet shards (half, a third and a sixth of the rows) are built into a corpus with a cap
on one of them, pictures and clips balanced; then the corpus is read, counted and exported. Memory is this process's
peak so far (ru_maxrss), the maker of the sources being a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from onethinker.corpus import build as building
from onethinker.corpus.export import export
from onethinker.corpus.recipe import CorpusRecipe
from onethinker.corpus.rows import ShardWriter, read_shards, schema
from onethinker.data.facts import count_facts
from onethinker.media import write_image
from onethinker.sample.files import iter_samples

FILES = 1000
"""Pictures and clips that the rows share; nothing opens them."""
SHARES = {"half": 3, "third": 2, "sixth": 1}
WORDS = "Which of the things that lie on the table in front of the window is the one that was moved first? "


def make(root: Path, rows: int) -> None:
    """The sources: three folders of shards beside one folder of media each."""
    import numpy as np

    for name, share in SHARES.items():
        for number in range(FILES):
            file = root / name / f"m/{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            if number:
                file.hardlink_to(root / name / "m/0.png")
            else:
                write_image(file, np.zeros((4, 4, 3), np.uint8))
        count = rows * share // sum(SHARES.values())
        with ShardWriter(root / name) as writer:
            for start in range(0, count, 50_000):
                writer.write(table(name, range(start, min(count, start + 50_000))))


def table(name: str, numbers: range) -> pa.Table:
    options = ["A. the cup", "B. the book", "C. the lamp", "D. none of them"]
    columns: dict[str, list[Any]] = {
        "id": [f"{name}-{n:07d}" for n in numbers],
        "task": ["multiple_choice"] * len(numbers),
        "modality": ["image" if n % 3 else "video" for n in numbers],
        "question": [f"{WORDS}({n})" for n in numbers],
        "options": [options] * len(numbers),
        "media": [[f"m/{n % FILES}.png"] for n in numbers],
        "truth": ["ABCD"[n % 4] for n in numbers],
        "source": [name] * len(numbers),
        "meta": [f'{{"split": "train", "duration": {n % 90}, "response": "{WORDS * 3}"}}' for n in numbers],
    }
    return pa.table(columns, schema())


def peak_mb() -> float:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20 if sys.platform == "darwin" else 1 << 10)


class Stages:
    """Seconds of each stage, and of them those that the CPU was at work on it: other programs change these less."""

    def __init__(self, rows: int) -> None:
        self.rows, self.seconds, self.busy = rows, dict[str, float](), dict[str, float]()

    def timed(self, name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            began, used = time.perf_counter(), time.process_time()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began
                self.busy[name] = self.busy.get(name, 0.0) + time.process_time() - used
                print(f"{name}: {self.seconds[name]:.1f} s, {peak_mb():.0f} MB", file=sys.stderr, flush=True)

        return run

    def tell(self) -> Iterator[str]:
        for name, seconds in self.seconds.items():
            told = f"{self.rows / seconds:12,.0f} rows a second"
            yield f"{name:28s} {seconds:8.1f} s {told}, {self.rows / self.busy[name]:12,.0f} of CPU time"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rows", type=int, default=2_000_000)
    arguments.add_argument("--folder", type=Path)
    given = arguments.parse_args()
    folder = given.folder or Path(tempfile.mkdtemp(prefix="corpus-"))
    maker = multiprocessing.get_context("spawn").Process(target=make, args=(folder / "data", given.rows))
    maker.start()
    maker.join()
    recipe = CorpusRecipe.model_validate({
        "name": "benchmark", "images": 0.5,
        "sources": {f"own/{name}": {"samples": name, "cap": given.rows // 4 if name == "third" else None}
                    for name in SHARES},
    })  # fmt: skip
    stages = Stages(given.rows)
    parts = {"gather": "read", "pool_of": "columns to choose by", "mix": "mix", "_pick": "pick", "_write": "write",
             "_finish": "card and page"}  # fmt: skip
    for part, name in parts.items():
        setattr(building, part, stages.timed(name, getattr(building, part)))
    stages.timed("build, in all", building.build)(recipe, folder / "data", folder / "corpus")
    print(*stages.tell(), f"{'memory':28s} {peak_mb():8.0f} MB at most", sep="\n")
    after = Stages(sum(len(batch) for batch in read_shards(folder / "corpus")))
    after.timed("read_shards", lambda: sum(len(batch) for batch in read_shards(folder / "corpus")))()
    after.timed("count_facts", lambda: count_facts(iter_samples(folder / "corpus")))()
    after.timed("export published", export)(folder / "corpus", folder / "published", "published")
    after.timed("export verl", export)(folder / "corpus", folder / "verl", "verl")
    print(f"{after.rows:,} rows of the corpus", *after.tell(), f"{'memory':28s} {peak_mb():8.0f} MB at most", sep="\n")
    if not given.folder:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
