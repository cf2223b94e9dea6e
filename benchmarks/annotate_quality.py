"""Which threshold to take: yield, cost and quality of annotation, on worlds whose exact truth is known.

    python -m benchmarks.annotate_quality --plot docs/annotation.svg

The annotator is scripted: four candidates a question, worked out by teachers of the world that see things wrongly
with the shares and habits of `TEACHERS`. The corpus's own truth errs too, as people's labels do: one time in twenty,
with every box one unit too far right. Answers are chosen against that truth by `onethinker.corpus.annotate.choose`
with the shipped checks, and what is chosen is scored on the exact truth. Cost is what the words of all candidates
come to at 0.4 and 1.6 dollars for a million tokens, a word counting as one and a prompt as 500.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from onethinker.corpus.annotate.budget import Price
from onethinker.corpus.annotate.choose import judge
from onethinker.corpus.annotate.settings import load_settings
from onethinker.corpus.annotate.table import EXACT, STEPS, TaskCounts
from onethinker.data.worlds import build_world
from onethinker.sample import Sample, Samples, load_samples
from onethinker.sample.answer import read_answer
from onethinker.tasks import list_tasks
from onethinker.util.palette import BLUE, VERMILLION

TEACHERS = ((0.1, "boxes=2,times=0.5"), (0.25, "none"), (0.5, "boxes=1"), (0.67, "none"))
"""Of each candidate: how often its teacher sees a thing wrongly, and what it always does."""
LABELLER = (0.05, "boxes=1")
SHOWN = (0.3, 0.5, 0.7, 0.9, 1.0)
PROMPT_TOKENS = 500
PRICE = Price(400_000, 1_600_000)


def world(folder: Path, n: int, error: float, bias: str) -> Samples:
    """The training split of one world; the questions and truths do not depend on error and bias."""
    name = folder / f"{error}-{bias}"
    return load_samples(
        build_world(name, n, 9, 1, teacher_error=error, teacher_bias=bias, test=13, validation=13) / "train"
    )


def with_labels(samples: Samples, labels: Samples) -> list[Sample]:
    """The samples with the labels' answers for truths, the exact ones kept beside."""
    found = {label.id: read_answer(label.meta["response"]).text for label in labels}
    return [replace(s, truth=found[s.id], meta={**s.meta, EXACT: s.truth}) for s in samples]


def counted(samples: Sequence[Sample], candidates: Sequence[Samples], root: Path) -> dict[str, TaskCounts]:
    """The sums of every task, and of all as `all`."""
    said = [{s.id: s.meta["response"] for s in one} for one in candidates]
    choices = [[{"text": of[s.id], "finish": "stop"} for of in said] for s in samples]
    settings = load_settings(rules={"min_words": 3})  # the teachers are terse
    counts = {name: TaskCounts() for name in (*list_tasks(), "all")}
    for sample, found, verdicts in zip(samples, choices, judge(samples, choices, settings, root), strict=True):
        paid = PRICE.of(PROMPT_TOKENS, sum(len(choice["text"].split()) for choice in found))
        for name in (sample.task, "all"):
            counts[name].add(sample, verdicts, paid, "")
    return counts


def print_table(counts: dict[str, TaskCounts]) -> None:
    print("| task | " + " | ".join(f"≥ {t:g}" for t in SHOWN) + " |")
    print("|---|" + "---:|" * len(SHOWN))
    for task, found in counts.items():
        curve = {at["threshold"]: at for at in found.curve()}
        cells = (curve[round(t * STEPS) / STEPS] for t in SHOWN)
        shown = (
            f"{100 * at['yield']:.0f}%, {at['quality']:.3f}, {100 * at['dollars']:.3f}" if at["yield"] else "0%"
            for at in cells
        )
        print(f"| {task.replace('_', ' ')} | " + " | ".join(shown) + " |")
    print("yield, quality (accuracy on the exact truth), cents a kept sample")


def plot(counts: dict[str, TaskCounts]) -> str:
    """Small charts beside one another: yield in full, quality in broken lines, over the threshold."""
    wide, high, gap, columns = 150, 90, 44, 5
    parts = []
    for place, (task, found) in enumerate(counts.items()):
        left, top = 30 + place % columns * (wide + gap), 34 + place // columns * (high + gap)
        curve = found.curve()
        lines = []
        for name, colour, dash in (("yield", BLUE, ""), ("quality", VERMILLION, "5 3")):
            points = " ".join(
                f"{wide * at['threshold']:.1f},{high * (1 - at[name]):.1f}" for at in curve if at[name] == at[name]
            )
            line = f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"'
            lines.append(f'{line} stroke-dasharray="{dash}"/>')
        at_end = 'x="-3" text-anchor="end"'
        words = f'<text y="-5">{task.replace("_", " ")}</text>'
        words += f'<text {at_end} y="6">1</text><text {at_end} y="{high}">0</text>'
        words += f'<text x="{wide}" y="{high + 12}" text-anchor="end">1</text>'
        frame = f'<rect width="{wide}" height="{high}" fill="#fff" stroke="#d0d5dd"/>'
        parts.append(f'<g transform="translate({left} {top})">{frame}{"".join(lines)}{words}</g>')
    rows = -(-len(counts) // columns)
    size = f"0 0 {30 + columns * (wide + gap)} {34 + rows * (high + gap)}"
    key = f'<tspan fill="{BLUE}">yield</tspan> and <tspan fill="{VERMILLION}">quality (broken)</tspan>'
    key = f'<text x="30" y="14">{key} against the threshold</text>'
    style = 'font-family="sans-serif" font-size="11" fill="#475467"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{size}" {style}>{key}{"".join(parts)}</svg>\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--questions", type=int, default=650)
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        candidates = [world(Path(folder), asked.questions, *teacher) for teacher in TEACHERS]
        samples = with_labels(candidates[0], world(Path(folder), asked.questions, *LABELLER))
        counts = counted(samples, candidates, candidates[0].root)
    print_table(counts)
    if asked.plot:
        asked.plot.write_text(plot(counts), encoding="utf-8")


if __name__ == "__main__":
    main()
