"""Benchmarks: one or several models on them, with the paper's numbers beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from onethinker.report import tables
from onethinker.report.figures import Series
from onethinker.report.read import Evaluation
from onethinker.report.tables import NOTHING, Cell, Number, Table, Tile, percent

PAPER = " (paper)"
_CLASSES = ("stage-rl", "stage-other", "stage-other2", "stage-std")
_PAPER_CLASSES = ("stage-before", "stage-sft")

Entry = Mapping[str, Any]
"""The `benchmark` of a summary."""


@dataclass(frozen=True)
class Suite:
    """models: by name, each with its evaluations by benchmark. entries: of every benchmark, its first model's.

    Empty where nothing was measured.
    """

    models: dict[str, dict[str, Evaluation]]
    entries: dict[str, Entry]

    @classmethod
    def of(cls, evaluations: Sequence[Evaluation]) -> Suite:
        """Benchmarks of a family stand together, else in the order of the evaluations."""
        models: dict[str, dict[str, Evaluation]] = {}
        entries: dict[str, Entry] = {}
        for evaluation in evaluations:
            entry = evaluation.benchmark
            assert entry is not None
            models.setdefault(str(evaluation.summary["model"]), {})[entry["name"]] = evaluation
            entries.setdefault(entry["name"], entry)
        families = list(dict.fromkeys(entry["family"] for entry in entries.values()))
        ordered = sorted(entries, key=lambda name: families.index(entries[name]["family"]))
        return cls(models, {name: entries[name] for name in ordered})

    @property
    def published(self) -> list[str]:
        """The models whose numbers the paper gives."""
        return list(dict.fromkeys(model for entry in self.entries.values() for model in entry["published"]))

    @property
    def profiles(self) -> list[str]:
        """The metric profiles by which it was measured."""
        every = [e.summary["metric_profile"] for of_model in self.models.values() for e in of_model.values()]
        return sorted(set(map(str, every)))

    def columns(self) -> dict[str, dict[str, Number]]:
        """By model, the paper's marked so and first: each benchmark's number that there is."""
        found: dict[str, dict[str, Number]] = {}
        for model in self.published:
            values = {name: entry["published"].get(model) for name, entry in self.entries.items()}
            found[model + PAPER] = {name: {"value": v} for name, v in values.items() if v is not None}
        for model, of_model in self.models.items():
            entries = {name: e.benchmark for name, e in of_model.items() if e.benchmark}
            found[model] = {name: entry for name, entry in entries.items() if entry["value"] is not None}
        return found

    def released(self) -> dict[str, dict[str, Number]]:
        """By model, the numbers of benchmarks that the published run measures otherwise, by its formulas."""
        found: dict[str, dict[str, Number]] = {}
        for model, of_model in self.models.items():
            pairs = {n: (e.benchmark, e.benchmark.get("released")) for n, e in of_model.items() if e.benchmark}
            other = {
                n: again
                for n, (entry, again) in pairs.items()
                if again and again["value"] not in (None, entry["value"])
            }
            if other:
                found[f"{model} (released)"] = other
        return found

    def shared(self) -> list[str]:
        """The benchmarks for which every column has a number."""
        columns = self.columns().values()
        return [name for name in self.entries if all(name in values for values in columns)]

    def series(self) -> list[Series]:
        """The columns for a figure, over the benchmarks that all of them have."""
        titles = {name: self.entries[name]["title"] for name in self.shared()}
        paper, ours = iter(_PAPER_CLASSES * len(self.published)), iter(_CLASSES * len(self.models))
        return [
            Series(label, next(paper if label.endswith(PAPER) else ours), {t: values[n] for n, t in titles.items()})
            for label, values in self.columns().items()
        ]


def results_table(suite: Suite) -> Table:
    """Each benchmark's number with its interval, ours after the paper's; n beside the size of the whole."""
    columns, released, shared = suite.columns(), suite.released(), suite.shared()
    rows = []
    for name, entry in suite.entries.items():
        counts = [e[name].benchmark["n"] for e in suite.models.values() if name in e]  # type: ignore[index]
        whole = entry["size"] is None or min(counts) == entry["size"]
        size = Cell(tables.span(counts), "" if whole else f"of {entry['size']:,}")
        numbers = [values.get(name) for values in columns.values()]
        cells = tables.number_cells(numbers, percent)
        cells += [tables.number_cells([values.get(name)], percent)[0] for values in released.values()]
        split = "" if entry["title"].endswith(entry["split"]) else entry["split"]
        rows.append((Cell(family(entry)), Cell(entry["title"], split), Cell(entry["metric"]), size, *cells))
    totals = 0
    if len(shared) > 1:
        means = [_mean([values[name]["value"] for name in shared]) for values in columns.values()]
        cells = tables.number_cells(means, percent) + [Cell(NOTHING)] * len(released)
        rows.append((Cell(f"Mean over {len(shared)}"), Cell(""), Cell(""), Cell(""), *cells))
        totals = 1
    note = (
        f"In percent (metric profile: {', '.join(suite.profiles)}), errors are left out and "
        f"counted below. {tables.INTERVALS} The paper's numbers are of its own harness and whole benchmarks."
    )
    if totals:
        note += f" The mean is over the {len(shared)} benchmarks for which every column has a number."
    if released:
        note += " (released): by the published run's formulas, where they give another number."
    head = ("Task", "Benchmark", "Metric", "n", *columns, *released)
    return Table("Benchmarks", head, _once(rows), note, labels=3, totals=totals)


def _mean(values: Sequence[float | None]) -> Number:
    known = [value for value in values if value is not None]
    return {"value": sum(known) / len(known)}


def family(entry: Entry) -> str:
    """`image_qa` → `Image QA`."""
    words = str(entry["family"]).replace("_", " ").capitalize()
    return words.removesuffix(" qa") + " QA" if words.endswith(" qa") else words


def _once(rows: Sequence[tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    """The first column only where it changes."""
    told = [row[0].text for row in rows]
    return tuple((Cell("" if i and told[i - 1] == told[i] else told[i]), *row[1:]) for i, row in enumerate(rows))


def reading_tables(suite: Suite) -> list[Table]:
    """How the answers of each model read on every benchmark, and what they cost."""
    found = []
    for model, evaluations in suite.models.items():
        rows = [
            tables.reading_row(entry["title"], list(evaluations[name].tasks.values()))
            for name, entry in suite.entries.items()
            if name in evaluations
        ]
        every = [entry for evaluation in evaluations.values() for entry in evaluation.tasks.values()]
        rows.append(tables.reading_row("All benchmarks", every))
        columns = ("Benchmark", *tables.READING)
        found.append(Table(f"How answers read: {model}", columns, tuple(rows), tables.READING_NOTE, totals=1))
    return found


def metrics_table(suite: Suite) -> Table:
    """Every metric of every benchmark, and the paper's of the same name."""
    published = suite.published
    rows = []
    for name, entry in suite.entries.items():
        theirs = entry["published_metrics"]
        ours = [_metrics(of_model.get(name)) for of_model in suite.models.values()]
        for metric in dict.fromkeys([*(m for metrics in ours for m in metrics), *theirs]):
            paper = [theirs.get(metric, {}).get(model) for model in published]
            cells = [*(Cell(percent(v) if v is not None else NOTHING) for v in paper)]
            cells += tables.number_cells([metrics.get(metric) for metrics in ours], percent)
            rows.append((Cell(entry["title"]), Cell(metric), *cells))
    columns = ("Benchmark", "Metric", *(model + PAPER for model in published), *suite.models)
    return Table("All metrics", columns, _once(rows), "In percent, of greedy answers.", labels=2)


def _metrics(evaluation: Evaluation | None) -> dict[str, Number]:
    """The headline, and the task's other metrics where the benchmark's questions are of one task."""
    if evaluation is None or evaluation.benchmark is None:
        return {}
    own: dict[str, Number] = {evaluation.benchmark["metric"]: evaluation.benchmark}
    of_tasks = [entry["metrics"] for entry in evaluation.tasks.values()]
    return own | ({k: v for k, v in of_tasks[0].items() if k not in own} if len(of_tasks) == 1 else {})


def sentences(suite: Suite) -> list[str]:
    """What was measured."""
    if not suite.models:
        return []
    entries = list(suite.entries.values())
    questions, families = sum(e["questions"] for e in entries), len({e["family"] for e in entries})
    who = " and ".join(suite.models) if len(suite.models) < 3 else f"{len(suite.models)} models"
    said = [
        f"{who} on {tables.counted(len(entries), 'benchmark')} of {tables.counted(families, 'kind')} of task, "
        f"{tables.counted(questions, 'question')} in all, "
        "answered greedily."
    ]
    part = [e for e in entries if e["size"] and e["questions"] < e["size"]]
    if part:
        said.append(f"{len(part)} of them in part only: their numbers are not the whole benchmark's.")
    return said


def tiles(suite: Suite) -> list[Tile]:
    """The last model's mean beside the paper's, and how much could not be read."""
    if not suite.models:
        return []
    columns, shared = suite.columns(), suite.shared()
    means = {label: _mean([values[name]["value"] for name in shared])["value"] for label, values in columns.items()}
    every = [entry for of_model in suite.models.values() for e in of_model.values() for entry in e.tasks.values()]
    unread = sum(entry["status"].get(s, 0) for entry in every for s in tables.UNREAD)
    answered = sum(entry["n"] for entry in every)
    last = list(suite.models)[-1]
    words = f"{last}, mean over {tables.counted(len(shared), 'benchmark')}, %"
    found = [Tile("", percent(means[last]), words)] if shared else []
    found += [Tile("", percent(means[model + PAPER]), f"{model}, as published") for model in suite.published if shared]
    found.append(Tile("", f"{unread / max(1, answered):.1%}", f"of the answers not readable ({unread:,})"))
    return found
