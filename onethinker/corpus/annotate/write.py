"""The journal's answers → an SFT set, the refused answers with their reasons, and the table. Asks nobody."""

from __future__ import annotations

import heapq
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from onethinker.corpus.annotate.choose import Verdict, best, judge
from onethinker.corpus.annotate.journal import Amount, Journal
from onethinker.corpus.annotate.page import Shown, write_page
from onethinker.corpus.annotate.questions import Question
from onethinker.corpus.annotate.settings import Settings
from onethinker.corpus.annotate.table import TaskCounts, reasons_of, rows
from onethinker.corpus.rows import ShardWriter, read_shards, to_samples, to_table
from onethinker.data.sources.convert import place
from onethinker.sample import Sample
from onethinker.sample.shards import shard_files
from onethinker.tasks import list_tasks
from onethinker.util.files import replacing, write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import stamp

REFUSED, PAGE, FACTS = "refused.jsonl", "report/annotation.html", "annotation/annotation.json"
SHOWN = 2
"""Cards of a task and a reason on the page."""

Name = tuple[str, str]
"""Source and id of a sample."""


@dataclass
class Answered:
    """What asking came to. model: the server's name for it. keys: of each asked sample its key in the journal, and why
    it has fewer answers than wanted. unasked: why a sample could not be asked. spent, lost: as of the journal."""

    model: str
    keys: dict[Name, tuple[str, str]] = field(default_factory=dict)
    unasked: dict[Name, str] = field(default_factory=dict)
    spent: Amount = field(default_factory=Amount)
    lost: Amount = field(default_factory=Amount)

    def add(self, question: Question, problem: str) -> None:
        self.keys[question.sample.source, question.sample.id] = (question.key, problem)


def write_set(
    corpus: Path,
    root: Path,
    out: Path,
    journal: Journal,
    answered: Answered,
    settings: Settings,
    given: frozenset[str],
    facts: Mapping[str, Any],
) -> dict[str, Any]:
    """Write everything that `run` lists but the journal; returns what `OUT/annotation/annotation.json` holds."""
    made = _Made(out, {task: TaskCounts() for task in list_tasks()})
    aside = out / ".samples.part"
    shutil.rmtree(aside, ignore_errors=True)
    with (
        replacing(out / REFUSED) as refused_file,
        refused_file.open("w", encoding="utf-8") as refused,
        ShardWriter(aside) as shards,
        bar("chosen", len(answered.keys) + len(answered.unasked)) as advance,
    ):
        for batch in read_shards(corpus):
            samples = [s for s in to_samples(batch, str(corpus)) if _asked(s, answered)]
            choices = [_choices(journal, answered, sample, settings) for sample in samples]
            verdicts = judge(samples, choices, settings, root, given)
            taken = [made.take(s, v, journal, answered, refused) for s, v in zip(samples, verdicts, strict=True)]
            found = [sample for sample in taken if sample is not None]
            for sample in found:
                for path, name in zip(sample.paths(root), sample.media, strict=True):
                    place(path, out / name)
            shards.write(to_table(found))
            advance(len(samples))
    for old in shard_files(out):
        old.unlink()
    for new in shard_files(aside):
        new.replace(out / new.name)
    shutil.rmtree(aside)
    table = rows(made.counts, settings)
    curves = {task: found.curve() for task, found in made.counts.items() if found.asked}
    known = {
        "kind": "annotated",
        "corpus": str(corpus),
        **facts,
        "at": stamp(),
        "settings": settings.model_dump(mode="json"),
    }
    known |= {"spent": _money(answered.spent), "lost": _money(answered.lost), "table": table, "curves": curves}
    write_page(out / PAGE, root, made.shown(), known)
    write_whole(out / FACTS, json.dumps(known, indent=1, ensure_ascii=False).replace("NaN", "null"))
    return known


def _asked(sample: Sample, answered: Answered) -> bool:
    return (sample.source, sample.id) in answered.keys or (sample.source, sample.id) in answered.unasked


def _choices(journal: Journal, answered: Answered, sample: Sample, settings: Settings) -> list[dict[str, Any]]:
    key, _ = answered.keys.get((sample.source, sample.id), ("", ""))
    return journal.choices(key)[: settings.candidates]


def _money(amount: Amount) -> dict[str, Any]:
    return {"tokens": amount.tokens, "dollars": amount.dollars}


@dataclass
class _Made:
    """What is written as the corpus is gone through once more."""

    out: Path
    counts: dict[str, TaskCounts]
    paid_for: set[str] = field(default_factory=set)
    cards: dict[tuple[str, str], list[tuple[int, str, Shown]]] = field(default_factory=dict)

    def take(
        self, sample: Sample, verdicts: list[Verdict], journal: Journal, answered: Answered, refused: TextIO
    ) -> Sample | None:
        """Count a sample and note what of it is refused; the sample with its worked answer where one is kept."""
        key, problem = answered.keys.get((sample.source, sample.id), ("", ""))
        problem = problem or answered.unasked.get((sample.source, sample.id), "")
        paid = Amount()
        if key and key not in self.paid_for:  # equal questions were paid for once
            self.paid_for.add(key)
            paid = sum((Amount(row["tokens"], row["cost"]) for row in journal.rows(key)), paid)
        counts = self.counts.setdefault(sample.task, TaskCounts())
        counts.add(sample, verdicts, paid, problem)
        chosen = best(verdicts)
        for verdict in verdicts:
            if verdict.reasons:
                refused.write(_line(sample, verdict))
        if not verdicts:
            refused.write(json.dumps({**_names(sample), "problem": problem}, ensure_ascii=True) + "\n")
        self._show(sample, verdicts, chosen, problem)
        if chosen is None:
            return None
        how = {"model": answered.model, "accuracy": round(chosen.accuracy, 6), "candidate": chosen.index}
        passed = sum(not verdict.reasons for verdict in verdicts)
        how |= {"passed": passed, "candidates": len(verdicts)}
        return replace(sample, meta={**sample.meta, "response": chosen.response, "annotation": how})

    def _show(self, sample: Sample, verdicts: list[Verdict], chosen: Verdict | None, problem: str) -> None:
        """Remember it for the page, where it is among the first of its task and reason by a hash of its name."""
        reasons = sorted(reasons_of(verdicts, problem)) if chosen is None else ["kept"]
        shown = Shown(sample, chosen or next(iter(verdicts), None), problem)
        for reason in reasons[:1]:
            place = int.from_bytes(sample.digest().encode()[:7], "big")
            heap = self.cards.setdefault((sample.task, reason), [])
            entry = (-place, sample.id, shown)
            heapq.heappush(heap, entry) if len(heap) < SHOWN else heapq.heappushpop(heap, entry)

    def shown(self) -> list[tuple[str, Shown]]:
        """(reason, card), the kept first."""
        found = [(reason, card) for (_, reason), heap in self.cards.items() for _, _, card in sorted(heap, key=_first)]
        return sorted(found, key=lambda pair: (pair[0] != "kept", pair[0], pair[1].sample.task))


def _first(entry: tuple[int, str, Shown]) -> tuple[int, str]:
    return -entry[0], entry[1]


def _names(sample: Sample) -> dict[str, Any]:
    return {"id": sample.id, "source": sample.source, "task": sample.task}


def _line(sample: Sample, verdict: Verdict) -> str:
    row = {**_names(sample), "index": verdict.index, "accuracy": verdict.accuracy, "reasons": dict(verdict.reasons)}
    return json.dumps({**row, "finish": verdict.finish, "response": verdict.text}, ensure_ascii=True) + "\n"
