"""Where a sample may be meant otherwise than it is read: worth a word before it is trained on or asked, not refused."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from onethinker.sample import Sample, Samples
from onethinker.sample.marks import KINDS, MARK, place
from onethinker.sample.record import DataError
from onethinker.sample.stream import SampleStream, TrainingSet
from onethinker.tasks import get_task

_NAMED = 3
"""Lines of each kind that are said; the rest are counted."""


def doubts(sample: Sample) -> Iterator[str]:
    """One line for each. No medium is opened. Raises KeyError for a task that is none."""
    task = get_task(sample.task)
    if sample.modality not in task.modalities:
        yield f"modality {sample.modality!r}; task {task.name} takes {', '.join(task.modalities)}"
    if sample.modality != "text" and not sample.media:
        yield f"modality {sample.modality!r} without media; it is asked about nothing"
    if sample.modality == "text" and sample.media:
        yield f"modality 'text' with {len(sample.media)} media; they come first"
    if not MARK.sub("", sample.question).strip():
        yield "its question is empty"
    if sample.task == "multiple_choice" and not sample.options:
        yield "multiple choice without options; the answer can only be compared as a letter"
    yield from _marks(sample)


def _marks(sample: Sample) -> Iterator[str]:
    """Marks that place nothing. Without any media they are taken for words, but where a picture's place would be."""
    texts = [sample.question.strip(), *sample.options]
    marks = [mark for text in texts for mark in MARK.finditer(text)]
    if not sample.media:
        marks = [
            mark for mark in marks if mark.string == texts[0] and (not mark.start() or mark.end() == len(texts[0]))
        ]
    for kind in sorted({mark[1] for mark in marks} - set(KINDS[sample.modality] if sample.media else ())):
        yield f"<{kind}> in its text, but no {kind} among its media; it is read as words"
    try:
        place(sample.question, sample.options, sample.modality, len(sample.media))
    except DataError as error:
        yield str(error)


def tell(samples: Samples) -> None:
    """Print to stderr which rows of the file were left out, which ids were made unique, and what is in doubt."""
    found = []
    for sample in samples:
        try:
            found += [f"sample {sample.id}: {doubt}" for doubt in doubts(sample)]
        except KeyError as error:
            found.append(f"sample {sample.id}: {error.args[0]}")
    total = len(samples) + len(samples.left_out)
    _say(f"{len(samples.left_out)} of {total} rows cannot be read and are left out", samples.left_out)
    _say(f"{len(samples.renamed)} ids occur again and were made unique", samples.renamed)
    _say(f"{len(found)} oddities; `onethinker data check` names them all", found)


def say_heavy(samples: TrainingSet) -> None:
    """Print to stderr where rows are read in groups that are larger than what an order shuffles among."""
    if isinstance(samples, SampleStream) and samples.heaviest > samples.shards.room:
        print(
            f"{samples.shards.where}: parts of up to {samples.heaviest / 1e6:,.0f} MB are held whole by each process; "
            "write smaller row groups, or smaller tars",
            file=sys.stderr,
        )


def _say(what: str, lines: list[str] | tuple[str, ...]) -> None:
    if lines:
        more = ["…"] if len(lines) > _NAMED else []
        print("\n  ".join([f"{what}:", *lines[:_NAMED], *more]), file=sys.stderr, flush=True)
