"""A run's metrics: a row a step in `RUN/metrics.jsonl`, and from there TensorBoard, trackio or Weights & Biases.

`metrics.jsonl` is what counts; trackers are copies. A killed run forgets the rows after its last checkpoint and writes
them again, so TensorBoard's files are written anew from the rows that stay, and a service, which cannot forget, is sent
every step once at most. Only one process of a run may hold its `Metrics`.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from numbers import Real
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, Protocol

from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import METRICS, JsonLines, RunError

MetricRow = dict[str, Any]

PROJECT = "onethinker"
"""The name under which services keep the runs."""


class Tracker(Protocol):
    """Takes the rows of a run as they come, in order of step."""

    def log(self, row: MetricRow) -> None: ...

    def close(self) -> None: ...


class Metrics:
    """The rows of a run, a step each; `with Metrics(…) as log: log.append(row)`.

    step: the run goes on after it, later rows are dropped. steps: how many it is to have; each row says so, by which a
    report knows whether the run goes on. trackers: names of `TRACKERS`. Raises RunError for one that is not installed.
    """

    def __init__(self, run: Path, trackers: Sequence[str], step: int, steps: int) -> None:
        self.steps = steps
        self.file = JsonLines(run / METRICS)
        self.file.keep(lambda row: row["step"] <= step)
        rows = self.file.rows()
        self.trackers: list[Tracker] = []
        with ExitStack() as opened:
            for name in trackers:
                self.trackers.append(TRACKERS[name](run, rows))
                opened.callback(self.trackers[-1].close)
            self._opened = opened.pop_all()

    def append(self, row: MetricRow) -> None:
        """Write a row down, then show it to the trackers."""
        row = row | {"steps": self.steps}
        self.file.append(row)
        for tracker in self.trackers:
            tracker.log(row)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()


@contextmanager
def metric_logger(
    title: str, run: Path, trackers: Sequence[str], step: int, steps: int, last: int, *, writes: bool
) -> Iterator[Callable[[MetricRow, str], None]]:
    """Yield `note(row, words)`, called after every step: its row for `Metrics`, its words for the progress bar. The
    first step that skips an update is told of.

    last: the step at which this process stops. writes: whether it is the one to do so; the others note nothing.
    """
    if not writes:
        yield lambda row, words: None
        return
    with Metrics(run, trackers, step, steps) as log, bar(title, last, done=step) as advance:
        skipped = False

        def note(row: MetricRow, words: str) -> None:
            nonlocal skipped
            log.append(row)
            advance(1, words)
            if not skipped and not math.isfinite(row.get("grad_norm", 0.0)):
                skipped = True
                print(
                    f"{title}: in step {row['step']} the gradient of an update is not finite; the weights stay as they "
                    f"are. Each such step has null as its grad_norm in {run / METRICS}",
                    file=sys.stderr,
                    flush=True,
                )

        yield note


def scalars(row: MetricRow) -> dict[str, float]:
    """The finite numbers of a row, without those that say where it stands."""
    return {
        name: float(value)
        for name, value in row.items()
        if name not in ("step", "steps") and isinstance(value, Real) and math.isfinite(value)
    }


def check_trackers(names: Sequence[str]) -> None:
    """Raises RunError for one that is not installed, before any is opened."""
    for name in names:
        module, package = ("torch.utils.tensorboard", "tensorboard") if name == "tensorboard" else (name, name)
        if importlib.util.find_spec(package) is None:
            _installed(module, package)


def _installed(module: str, package: str) -> ModuleType:
    """The module, or RunError that names the install."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise RunError(
            f"watch: {package} is not installed ({error}); `pip install {package}`, or leave it out of the recipe's "
            f"watch: --set watch=[]"
        ) from error


class TensorBoard:
    """Event files in `RUN/tensorboard/`, a tag a metric; `tensorboard --logdir runs` shows every run."""

    def __init__(self, run: Path, rows: Sequence[MetricRow]) -> None:
        folder = run / "tensorboard"
        for old in folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.writer = _installed("torch.utils.tensorboard", "tensorboard").SummaryWriter(str(folder))
        for row in rows:
            self._add(row)
        self.writer.flush()

    def _add(self, row: MetricRow) -> None:
        for name, value in scalars(row).items():
            self.writer.add_scalar(name, value, row["step"])

    def log(self, row: MetricRow) -> None:
        self._add(row)
        self.writer.flush()

    def close(self) -> None:
        self.writer.close()


class Service:
    """A tracker with `init`, `log` and `finish`; `RUN/.NAME.json` holds the run's id there and the last step sent."""

    def __init__(self, name: str, run: Path, rows: Sequence[MetricRow]) -> None:
        self.module = _installed(name, name)
        self.file = run / f".{name}.json"
        self.state: dict[str, Any] = {"id": uuid.uuid4().hex[:8], "sent": 0}
        if self.file.exists():
            self.state = json.loads(self.file.read_text(encoding="utf-8"))
        title, config = f"{run.resolve().name}-{self.state['id']}", run / "config.json"
        more = {"id": title, "dir": str(run)} if name == "wandb" else {}
        self.module.init(
            project=PROJECT,
            name=title,
            config=json.loads(config.read_text(encoding="utf-8")) if config.exists() else {},
            resume="allow",
            **more,
        )
        for row in rows:
            self.log(row)

    def log(self, row: MetricRow) -> None:
        if row["step"] <= self.state["sent"]:
            return
        self.state["sent"] = row["step"]
        write_whole(self.file, json.dumps(self.state))
        self.module.log(scalars(row), step=row["step"])

    def close(self) -> None:
        self.module.finish()


TRACKERS: dict[str, Callable[[Path, Sequence[MetricRow]], Tracker]] = {
    "tensorboard": TensorBoard,
    "trackio": partial(Service, "trackio"),
    "wandb": partial(Service, "wandb"),
}
"""By the names that a recipe's `watch` takes. trackio keeps its numbers on this machine; wandb sends them away, unless
WANDB_MODE=offline keeps them in `RUN/wandb/`."""
