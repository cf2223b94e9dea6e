"""How soon, and in how much memory, training begins on a large set in shards: read as needed, and loaded before.

    python -m benchmarks.streaming --rows 600000 --folder runs/streaming

Makes the set (questions, worked answers; one small picture is everybody's medium), then starts each way in a process
of its own: `stream` opens the set and reads the first batch's samples, `load` does the same by `load_samples`, `sft` is
the whole command `onethinker sft mini` up to its first step of 4 samples, imports and model included, and `base` the
same command on 64 rows. Seconds are of the clock and of the processor; memory is the most that the process held.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

BATCH = 32
PARTS = {
    "stream": "from onethinker.sample.stream import open_training\n"
    "samples = open_training(sys.argv[1], '', 16_384, None)\n"
    "order = samples.order((0, 0))\n",
    "load": "import numpy as np\nfrom onethinker.sample import load_samples\nsamples = load_samples(sys.argv[1])\n"
    "order = np.random.default_rng((0, 0)).permutation(len(samples))\n",
}
END = f"batch = [samples[int(i)] for i in order[:{BATCH}]]\nprint(len(samples), file=sys.stderr)\n"


def make(folder: Path, rows: int) -> None:
    """Shards of 20,000 rows of about 1.5 KB."""
    import pyarrow as pa

    from onethinker.corpus.rows import ShardWriter, schema
    from onethinker.media import write_image

    if any(folder.glob("samples-*-of-*.parquet")):
        return
    import numpy as np

    write_image(folder / "media/one.png", np.full((64, 64, 3), 90, np.uint8))
    words = [f"word{n % 977}" for n in range(4000)]

    def block(start: int, count: int) -> Iterator[dict[str, object]]:
        for n in range(start, start + count):
            said = " ".join(words[(n * 7) % 3000 : (n * 7) % 3000 + 120])
            meta = {"response": f"<think>{said} {n}</think><answer>{n % 10}</answer>"}
            yield {
                "id": f"made/{n}", "task": "numerical", "modality": "image", "question": f"{said[:300]} How many? {n}",
                "options": [], "media": ["media/one.png"], "truth": str(n % 10), "source": "made",
                "meta": json.dumps(meta),
            }  # fmt: skip

    with ShardWriter(folder) as writer:
        for start in range(0, rows, 20_000):
            writer.write(pa.Table.from_pylist(list(block(start, min(20_000, rows - start))), schema()))


def measured(command: list[str], until: Path | None = None) -> tuple[float, float, float]:
    """Seconds of the clock and of the processor, and megabytes, of a command; until: of it until this file has a
    row."""
    began = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)  # fmt: skip
    seconds = None
    while child.poll() is None:
        if seconds is None and until is not None and until.exists() and until.stat().st_size:
            seconds = time.perf_counter() - began
        time.sleep(0.05)
    if child.returncode:
        sys.exit(f"{' '.join(command[:4])} … ended with {child.returncode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds or time.perf_counter() - began, cpu, after.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=600_000)
    parser.add_argument("--folder", type=Path, default=Path("runs/streaming"))
    parser.add_argument("--parts", nargs="+", default=["stream", "base", "sft", "load"])
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    make(given.folder, given.rows)
    print(f"{given.rows:,} rows, {sum(f.stat().st_size for f in given.folder.glob('*.parquet')) / 1e6:,.0f} MB")
    print(f"{'part':8} {'seconds':>9} {'of processor':>13} {'MB at most':>11}")
    for part in given.parts:  # the largest last: the system keeps one maximum over all children
        run = given.folder / f"run-{os.getpid()}"
        if part in ("base", "sft"):
            small = [f"--set={key}" for key in ("sft.steps=1", "sft.batch=4", "watch=[]")]
            data = [str(given.folder)] if part == "sft" else [str(next(given.folder.glob("*.parquet"))), "--limit=64"]
            words = ["-m", "onethinker", "sft", "mini", "--data", *data, "--out", str(run), *small]
            found = measured([sys.executable, *words], run / "metrics.jsonl")
            shutil.rmtree(run)
        else:
            found = measured([sys.executable, "-c", f"import sys\n{PARTS[part]}{END}", str(given.folder)])
        print(f"{part:8} {found[0]:9.1f} {found[1]:13.1f} {found[2]:11,.0f}", flush=True)


if __name__ == "__main__":
    main()
