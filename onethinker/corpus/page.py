"""The page of a corpus: what it holds as a ring beside the paper's, source by source in a table, and what it lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onethinker.corpus.summary import SourceSummary, Summary, figure3
from onethinker.util import svg
from onethinker.util.files import write_whole
from onethinker.util.html import style, templates

PAGE = "report/index.html"
HERE = "onethinker.corpus"
COLOURS = {
    "rule_qa": 0, "rule_qa_math": 1, "rule_qa_ocr": 2, "rule_qa_number": 3, "open_caption": 4, "temporal": 5,
    "spatial": 6, "spatial_temporal": 7, "tracking": 8, "segmentation": 9,
}  # fmt: skip
"""Group of Figure 3 → number of its colour."""
TITLES = {
    "rule_qa": "rule-based QA", "rule_qa_math": "math", "rule_qa_ocr": "OCR", "rule_qa_number": "numbers",
    "open_caption": "open-ended and captions", "spatial_temporal": "spatial-temporal",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """A group in the legend. paper: as Figure 3 has it, None where no source of the corpus is of the paper's."""

    title: str
    class_: str
    ours: int
    paper: int | None


def write_page(summary: Summary, folder: Path) -> Path:
    """Write `report/index.html`, which needs nothing but itself."""
    file = folder / PAGE
    write_whole(file, page_html(summary))
    return file


def page_html(summary: Summary) -> str:
    groups = group_names(summary)
    paper = {(g, n): round(count * summary.recipe["scale"]) for (g, n), count in figure3().items()}
    compared = any(source.paper is not None for source in summary.sources)
    ours = {(s.group or s.name, s.name): s.taken for s in summary.sources}
    return templates(HERE).get_template("corpus.html").render(
        style=style("page.css"),
        summary=summary,
        ours=ring(ours, groups, "this corpus"),
        paper=ring(paper, groups, "the paper's Figure 3") if compared else None,
        parts=parts(summary, groups, paper if compared else {}),
        groups=[(title(group), [s for s in summary.sources if (s.group or s.name) == group]) for group in groups],
        compared=compared,
        off=off,
    )  # fmt: skip


def group_names(summary: Summary) -> list[str]:
    """The corpus's groups in the paper's order, then its own."""
    found = {source.group or source.name for source in summary.sources}
    return sorted(found, key=lambda group: (COLOURS.get(group, len(COLOURS)), group))


def title(group: str) -> str:
    return TITLES.get(group, group.replace("_", " "))


def class_of(group: str, groups: Sequence[str]) -> str:
    own = [name for name in groups if name not in COLOURS]
    number = COLOURS[group] if group in COLOURS else (4 + own.index(group) if group in own else 9)
    return f"c{number % 10}"


def ring(counts: Mapping[tuple[str, str], int], groups: Sequence[str], label: str) -> Any:
    """Two rings: the groups inside, their sources around them; the total in the middle."""
    from markupsafe import Markup

    order = [*groups, *sorted({group for group, _ in counts} - set(groups), key=lambda g: COLOURS.get(g, 99))]
    sums = Counter[str]()
    for (group, _), count in counts.items():
        sums[group] += count
    rows = sorted(counts.items(), key=lambda row: (order.index(row[0][0]), -row[1], row[0][1]))
    outer = [(count, f"faint {class_of(g, groups)}", f"{title(g)} · {n}: {count:,}") for (g, n), count in rows]
    inner = [(sums[g], f"fill {class_of(g, groups)}", f"{title(g)}: {sums[g]:,}") for g in order]
    total = sum(sums.values())
    middle = svg.text(f"{total:,}", 0, 4, "big", "middle") + svg.text(label, 0, 26, "label", "middle")
    drawing = svg.ring(outer, 150, 16, 1) + svg.ring(inner, 131, 34, 2) + middle
    told = f"{label}: " + ", ".join(f"{title(g)} {sums[g]:,}" for g in order if sums[g])
    return Markup(svg.tag("svg", drawing, viewBox="-156 -156 312 312", role="img", aria_label=told))


def parts(summary: Summary, groups: Sequence[str], paper: Mapping[tuple[str, str], int]) -> list[Part]:
    found = []
    for group in groups:
        ours = sum(s.taken for s in summary.sources if (s.group or s.name) == group)
        theirs = [count for (g, _), count in paper.items() if g == group]
        found.append(Part(title(group), class_of(group, groups), ours, sum(theirs) if theirs else None))
    return found


def off(source: SourceSummary) -> str:
    """How far the source is from Figure 3, in percent."""
    if not source.paper:
        return ""
    return f"{100 * (source.taken / source.paper - 1):+.1f}%".replace("-", "−")
