"""What a run folder holds, read without asking who wrote it. Whatever is absent is named, not invented."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.media import MediaBudget
from onethinker.scoring.results import Row as ResultRow
from onethinker.scoring.results import answers_of, read_summary
from onethinker.util.runs import JsonLines, RunError, read_json

MetricRow = dict[str, Any]
"""A line of `metrics.jsonl`: `stage`, `step`, and what was measured at that step."""

_STAGES = {"before": "Before", "sft": "After SFT", "rl": "After RL"}


class ReportError(RunError):
    """A folder that no report can be made of; says what was expected in it."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation folder, or one model's on a benchmark. name: the folder's."""

    name: str
    folder: Path
    summary: dict[str, Any]

    @property
    def label(self) -> str:
        """The name for people: `Before`, `After RL`, `Control: more sft`; of a benchmark the model's."""
        if self.benchmark:
            return str(self.summary["model"])
        if self.is_control:
            return "Control: " + self.name.removeprefix("control").strip("-_ ").replace("-", " ").replace("_", " ")
        return _STAGES.get(self.name, self.name.replace("-", " ").replace("_", " "))

    @property
    def is_control(self) -> bool:
        return self.name.startswith("control")

    @property
    def budget(self) -> MediaBudget:
        """How large the media were that the model saw."""
        return MediaBudget.model_validate(self.summary["config"].get("budget", {}))

    @property
    def tasks(self) -> dict[str, Any]:
        tasks: dict[str, Any] = self.summary["tasks"]
        return tasks

    @property
    def benchmark(self) -> dict[str, Any] | None:
        """Whose questions they are: its title, split, metric, value, and the paper's numbers."""
        return self.summary.get("benchmark")

    @property
    def left_out(self) -> list[str]:
        """A line where rows of its data could not be read: how many, and what the first one says."""
        data = self.summary.get("data", {})
        rows = data.get("left_out_rows") or [""]
        first = f", the first: {rows[0]}" if rows[0] else ""  # unnamed in older results
        return [f"rows left out: {data['left_out']}{first}"] if data.get("left_out") else []

    def rows(self) -> list[ResultRow]:
        """The rows that the summary counts, read anew: of every question under its id, equal ones share theirs."""
        return [row for rows in answers_of(self.folder, *self.summary["settings"].values()).values() for row in rows]

    def greedy(self) -> dict[str, ResultRow]:
        """The greedy rows by question id."""
        return {row["id"]: row for row in self.rows() if row["decoding"] == "greedy"}


@dataclass(frozen=True, slots=True)
class Progress:
    """A training stage at `step` of `steps`. left: seconds to go at the mean pace so far, None if unknown."""

    stage: str
    step: int
    steps: int
    left: float | None

    @classmethod
    def of(cls, stage: str, rows: list[MetricRow]) -> Progress:
        """From its rows in order; one that does not say how many steps it is to have counts as done."""
        step, seconds = rows[-1]["step"], rows[-1].get("seconds")
        steps: Any = rows[-1].get("steps", step)
        pace = seconds / step if isinstance(seconds, int | float) and step else None
        return cls(stage, step, steps, None if pace is None else pace * (steps - step))


@dataclass(frozen=True)
class Run:
    """A run folder. configs: by stage (`run`, `sft`, `rl`), those there are. rollouts: Parquet files, a step each.

    suite: evaluations on benchmarks, the models one after another. stages: rows of {stage, seconds, peak_mb}. absent: a
    line for each part that is not there.
    """

    folder: Path
    configs: dict[str, dict[str, Any]]
    metrics: list[MetricRow]
    evaluations: list[Evaluation]
    suite: list[Evaluation]
    rollouts: list[Path]
    stages: list[dict[str, Any]]
    absent: list[str]

    def stage(self, name: str) -> list[MetricRow]:
        """The metric rows of `sft` or `rl`, in order of step."""
        return sorted((r for r in self.metrics if r.get("stage") == name and "step" in r), key=lambda r: r["step"])

    @property
    def progress(self) -> list[Progress]:
        """How far the training stages have come, those that have begun."""
        return [Progress.of(name, rows) for name in ("sft", "rl") if (rows := self.stage(name))]

    @property
    def finished(self) -> bool:
        """Whether all that has begun has come to its end; the stages of a whole run end with its report."""
        trained = bool(self.progress) and all(p.step >= p.steps for p in self.progress)
        told = not self.stages or any(row.get("stage") == "report" for row in self.stages)
        return (trained or bool(self.evaluations and not self.configs)) and told

    @property
    def main(self) -> list[Evaluation]:
        """The evaluations in the order of the run, without the controls."""
        return [e for e in self.evaluations if not e.is_control]


def read_run(folder: Path) -> Run:
    """Read a run folder, the folder of a single stage or evaluation, or one of benchmarks. Raises ReportError where
    there is nothing, RunError for a file that cannot be read.

    A stage's files lie in the run folder itself or in its `sft/` and `rl/`, evaluations in `eval/NAME/`, benchmarks in
    `NAME/` or, of several models, in `MODEL/NAME/`.
    """
    if not folder.is_dir():
        raise ReportError(f"{folder}: no such folder; give a run's folder, such as runs/demo")
    places = {"run": folder, "sft": folder / "sft", "rl": folder / "rl"}
    configs = {n: read_json(p / "config.json") for n, p in places.items() if (p / "config.json").exists()}
    metrics = [row for place in places.values() for row in JsonLines(place / "metrics.jsonl").rows()]
    rollouts = [file for place in places.values() for file in sorted((place / "rollouts").glob("*.parquet"))]
    files = [*folder.glob("summary.json"), *folder.glob("eval/*/summary.json")]
    found = [read_evaluation(file.parent) for file in files]
    suite = [e for e in found if e.benchmark] or _suite(folder)
    evaluations = sorted((e for e in found if not e.benchmark), key=_order)
    stages = JsonLines(folder / "stages.jsonl").rows()
    if not configs and not metrics and not evaluations and not suite:
        raise ReportError(
            f"{folder}: nothing to report; expected config.json, metrics.jsonl or eval/NAME/summary.json of a run, or "
            "NAME/summary.json of benchmarks"
        )
    absent = [] if suite and not configs and not metrics else _absent(configs, metrics, evaluations)
    absent += [f"{e.label}: {line}" for e in (*evaluations, *suite) for line in e.left_out]
    return Run(folder, configs, metrics, evaluations, suite, rollouts, stages, [*absent, *_skipped(folder)])


def _absent(configs: dict[str, Any], metrics: list[MetricRow], evaluations: list[Evaluation]) -> list[str]:
    """A line for each part of a run that is not there."""
    stages = {row.get("stage") for row in metrics}
    lacks = {
        "config.json: what was run is known from its results alone": not configs,
        "SFT rows in metrics.jsonl: no curves of the cold start": "sft" not in stages,
        "RL rows in metrics.jsonl: no curves of reinforcement learning": "rl" not in stages,
        "eval/NAME/summary.json: no results": not evaluations,
    }
    return [line for line, lacking in lacks.items() if lacking]


def _suite(folder: Path) -> list[Evaluation]:
    """Every model's evaluations on benchmarks, in the order of its `suite.json`, those that it does not name last."""
    found = []
    for place in (folder, *sorted(path for path in folder.iterdir() if path.is_dir())):
        file = place / "suite.json"
        order = [entry["name"] for entry in read_json(file)["benchmarks"]] if file.exists() else []
        every = [read_evaluation(summary.parent) for summary in sorted(place.glob("*/summary.json"))]
        mine = [e for e in every if e.benchmark]
        found += sorted(mine, key=lambda e: order.index(e.name) if e.name in order else len(order))
    return found


def _skipped(folder: Path) -> list[str]:
    """Why benchmarks of a suite were not run, as its `suite.json` has it."""
    files = sorted([*folder.glob("suite.json"), *folder.glob("*/suite.json")])
    suites = [read_json(file) for file in files]
    return [f"{name}: {why}" for s in suites for name, why in (s["skipped"] | s.get("unreadable", {})).items()]


def read_evaluation(folder: Path) -> Evaluation:
    """An evaluation by its summary. Raises RunError."""
    return Evaluation(folder.name, folder, read_summary(folder))


def _order(evaluation: Evaluation) -> tuple[bool, int, str]:
    stages = list(_STAGES)
    place = stages.index(evaluation.name) if evaluation.name in stages else len(stages)
    return evaluation.is_control, place, evaluation.name
