"""What a data set holds, counted in one pass, and its page: composition, lengths, boxes, spans, balance of answers."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onethinker.sample import DataError, Sample
from onethinker.sample.files import iter_samples
from onethinker.util import svg
from onethinker.util.files import write_whole
from onethinker.util.html import style, templates
from onethinker.util.progress import bar

LENGTHS = (0, 25, 50, 100, 200, 400, 800, 1600, 3200, 6400)
"""Characters at which the bars of lengths begin."""
SECONDS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
GRID = 20
"""Cells of the map of places, each way."""
SIDE_BARS = 10
"""Bars of the sizes of boxes: the side of a square of the box's area, in tenths of the picture's."""
MOST_ANSWERS = 12
MAX_TRUTH = 1 << 20
"""Characters of a truth that is looked into."""


@dataclass
class Facts:
    """Counts of a data set. places: (row, column) of the grid → boxes whose middle lies there. unread: rows."""

    samples: int = 0
    unread: int = 0
    by_source: Counter[tuple[str, str]] = field(default_factory=Counter)
    by_modality: Counter[str] = field(default_factory=Counter)
    lengths: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    sides: Counter[int] = field(default_factory=Counter)
    places: Counter[tuple[int, int]] = field(default_factory=Counter)
    starts: Counter[int] = field(default_factory=Counter)
    spans: Counter[int] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, sample: Sample) -> None:
        self.samples += 1
        self.by_source[sample.source or "(none)", sample.task] += 1
        self.by_modality[sample.modality] += 1
        response = sample.meta.get("response")
        texts = {"question": sample.question, "truth": sample.truth}
        for name, text in (texts | ({"worked answer": str(response)} if response else {})).items():
            self.lengths[name][_bin(len(text), LENGTHS)] += 1
        if sample.truth[:1] == "{" and len(sample.truth) <= MAX_TRUTH:
            self._shapes(sample.truth)
        elif len(sample.truth) <= 40:
            self.answers[sample.task][sample.truth] += 1
            if len(self.answers[sample.task]) > 20_000:  # of free text, which says nothing here
                self.answers[sample.task] = Counter(dict(self.answers[sample.task].most_common(5_000)))

    def _shapes(self, truth: str) -> None:
        try:
            found = json.loads(truth)
        except (ValueError, RecursionError):
            return
        if not isinstance(found, dict):
            return
        for x1, y1, x2, y2 in _boxes(found.get("boxes")):
            area = max(0.0, x2 - x1) * max(0.0, y2 - y1) / 1e6
            self.sides[min(SIDE_BARS - 1, int(SIDE_BARS * min(area, 1.0) ** 0.5))] += 1
            self.places[_cell((y1 + y2) / 2), _cell((x1 + x2) / 2)] += 1
        time = found.get("time")
        if isinstance(time, list) and len(time) == 2 and all(map(_is_number, time)):
            self.starts[_bin(time[0], SECONDS)] += 1
            self.spans[_bin(time[1] - time[0], SECONDS)] += 1


def _boxes(value: Any) -> Iterator[list[float]]:
    """A box, or the boxes of each second."""
    for box in value.values() if isinstance(value, dict) else [value]:
        if isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)):
            yield box


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(thousandths: float) -> int:
    return min(GRID - 1, max(0, int(thousandths * GRID / 1000)))


def _bin(value: float, edges: Sequence[float]) -> int:
    """The number of the last edge that is not above the value."""
    return max((at for at, edge in enumerate(edges) if value >= edge), default=0)


def count_facts(samples: Iterable[Sample | DataError]) -> Facts:
    """One pass, nothing of the samples kept."""
    facts = Facts()
    with bar("stats", None) as advance:
        for sample in samples:
            if isinstance(sample, DataError):
                facts.unread += 1
            else:
                facts.add(sample)
            advance()
    return facts


# ---- the page -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Chart:
    title: str
    drawing: Any
    note: str


def write_stats(paths: Mapping[str, Path], out: Path, media_root: str | Path | None = None, title: str = "") -> Path:
    """A page of one or several splits, one after the other. paths: split → data."""
    found = {split: count_facts(iter_samples(path, media_root)) for split, path in paths.items()}
    page = templates("onethinker.data").get_template("stats.html")
    splits = [(split, facts, composition(facts), charts(facts), balances(facts)) for split, facts in found.items()]
    write_whole(out, page.render(style=style("page.css"), title=title, splits=splits))
    return out


def composition(facts: Facts) -> tuple[Any, list[tuple[str, str, int, str]]]:
    """A ring of tasks with their sources around, and its legend: (task, class, samples, sources in words)."""
    from markupsafe import Markup

    tasks: Counter[str] = Counter()
    for (_, task), count in facts.by_source.items():
        tasks[task] += count
    order = [task for task, _ in tasks.most_common()]
    classes = {task: f"c{at % 13}" for at, task in enumerate(order)}
    rows = sorted(facts.by_source.items(), key=lambda row: (order.index(row[0][1]), -row[1], row[0][0]))
    outer = [(count, f"faint {classes[task]}", f"{task} · {source}: {count:,}") for (source, task), count in rows]
    inner = [(tasks[task], f"fill {classes[task]}", f"{task}: {tasks[task]:,}") for task in order]
    middle = svg.text(f"{facts.samples:,}", 0, 4, "big", "middle") + svg.text("samples", 0, 26, "label", "middle")
    drawing = svg.ring(outer, 150, 16, 1) + svg.ring(inner, 131, 34, 2) + middle
    told = ", ".join(f"{task} {count:,}" for task, count in tasks.most_common())
    sources = {task: ", ".join(f"{s} {n:,}" for (s, t), n in rows if t == task) for task in order}
    legend = [(task, classes[task], tasks[task], sources[task]) for task in order]
    return Markup(svg.tag("svg", drawing, viewBox="-156 -156 312 312", role="img", aria_label=told)), legend


def charts(facts: Facts) -> list[Chart]:
    """Those of which there is something to show."""
    found = [
        Chart(f"Characters of a {name}", bars(counts, _names(LENGTHS)), "") for name, counts in facts.lengths.items()
    ]
    if facts.sides:
        names = [f"{10 * at}%" for at in range(SIDE_BARS)]
        found.append(Chart("Sizes of boxes", bars(facts.sides, names),
                           "Side of a square of the box's area, of the picture's, from so much on."))  # fmt: skip
        found.append(Chart("Places of boxes", grid(facts.places), "Where their middles lie; darker is more."))
    if facts.starts:
        found.append(Chart("Seconds at which spans begin", bars(facts.starts, _names(SECONDS)), ""))
        found.append(Chart("Seconds that spans take", bars(facts.spans, _names(SECONDS)), ""))
    return found


def balances(facts: Facts) -> list[Chart]:
    """The commonest answers of each task whose answers come again."""
    found = []
    for task, counts in sorted(facts.answers.items()):
        top = counts.most_common(MOST_ANSWERS)
        total = counts.total()
        if top and top[0][1] > 1:
            numbered = Counter({at: count for at, (_, count) in enumerate(top)})
            note = f"{total:,} answers, {len(counts):,} different; the commonest is {100 * top[0][1] / total:.0f}%."
            found.append(Chart(task.replace("_", " "), bars(numbered, [answer for answer, _ in top]), note))
    return found


def _names(edges: Sequence[float]) -> list[str]:
    return [f"{edge / 1000:g}k" if edge >= 1000 else f"{edge:g}" for edge in edges]


def bars(counts: Mapping[int, int], names: Sequence[str]) -> Any:
    """Upright bars, each with its name below and its count in its tip."""
    from markupsafe import Markup

    width, height, floor = 320, 150, 118
    step, most = min(width / len(names), 64.0), max(counts.values(), default=1)
    drawn = svg.line((0, floor), (width, floor), "grid")
    drawn += svg.text(f"{most:,}", 0, 9, "tick") if counts else ""
    for at, name in enumerate(names):
        count = counts.get(at, 0)
        high = max((floor - 16) * count / most, 1.0 if count else 0.0)
        drawn += svg.tag("rect", svg.tip(f"{name}: {count:,}"), x=at * step + 1.0, y=floor - high,
                         width=step - 2.0, height=high, class_="fill c0")  # fmt: skip
        short = name if len(name) <= 8 else name[:7] + "…"
        if len(names) <= 10:
            drawn += svg.text(short, (at + 0.5) * step, floor + 15, "tick", "middle")
        else:
            drawn += svg.tag("g", svg.text(short, 0, 0, "tick", "end"),
                             transform=f"translate({(at + 0.6) * step:.1f},{floor + 11}) rotate(-38)")  # fmt: skip
    told = ", ".join(f"{name}: {counts.get(at, 0):,}" for at, name in enumerate(names))
    return Markup(svg.figure(width, height, drawn, told))


def grid(places: Mapping[tuple[int, int], int]) -> Any:
    """A picture's area in cells, the more boxes the darker."""
    from markupsafe import Markup

    most = max(places.values(), default=1)
    cell = 8
    drawn = ""
    for (row, column), count in sorted(places.items()):
        drawn += svg.tag("rect", svg.tip(f"{count:,}"), x=80 + column * cell, y=row * cell, width=cell, height=cell,
                         class_="fill c0", fill_opacity=round(0.12 + 0.88 * count / most, 3))  # fmt: skip
    frame = svg.tag("rect", x=80, y=0, width=GRID * cell, height=GRID * cell, class_="grid")
    return Markup(svg.figure(320, GRID * cell, drawn + frame, "where the middles of boxes lie in the picture"))
