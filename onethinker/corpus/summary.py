"""What a corpus holds and what it lacks: `corpus.json`, which the card and the page are written from."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onethinker.corpus.gather import Gathered
from onethinker.corpus.mix import Pool
from onethinker.corpus.recipe import CorpusRecipe
from onethinker.sample import DataError

CORPUS = "corpus.json"
WITHIN = 0.05
"""How far below its cap a source may stay without being a shortfall."""


@dataclass(frozen=True, slots=True)
class SourceSummary:
    """One source. paper: samples that the paper's Figure 3 gives it, scaled. wanted: its cap, None where it has none.
    available: that could be taken. taken: samples in the corpus. left_out: reason → rows. problem: why it has none, or
    not all. inputs: hash over what could be taken."""

    key: str
    name: str
    group: str
    paper: int | None
    wanted: int | None
    available: int
    taken: int
    left_out: Mapping[str, int]
    problem: str
    licence: str
    split: str
    inputs: str

    @property
    def shortfall(self) -> str:
        """What is missing and why, in a line; empty where nothing is."""
        if not self.problem and (self.wanted is None or self.taken >= (1 - WITHIN) * self.wanted):
            return ""
        of = "" if self.wanted is None else f" of {self.wanted:,}"
        why = [self.problem or f"{self.available:,} could be taken"]
        if not self.problem and self.wanted is not None and self.available >= self.wanted:
            why = ["the proportions of the mix take no more"]
        top = Counter(self.left_out).most_common(3)
        why += [f"{count:,} left out: {reason}" for reason, count in top]
        return f"{self.key}: {self.taken:,}{of}; " + "; ".join(why)


@dataclass(frozen=True)
class Summary:
    """A corpus as built. cells: `TASK · MODALITY` → samples. folder: where it lies, which
    `corpus.json` does not say."""

    name: str
    recipe: Mapping[str, Any]
    recipe_hash: str
    inputs_hash: str
    media: str
    media_root: str
    samples: int
    cells: Mapping[str, int]
    sources: tuple[SourceSummary, ...]
    folder: Path = Path()

    @property
    def shortfalls(self) -> list[str]:
        return [line for source in self.sources if (line := source.shortfall)]

    def counts(self, at: int) -> dict[str, int]:
        """Samples by task (0) or modality (1)."""
        found: Counter[str] = Counter()
        for cell, count in self.cells.items():
            found[cell.split(" · ")[at]] += count
        return dict(sorted(found.items()))

    def to_json(self) -> str:
        kept = asdict(self) | {"shortfalls": self.shortfalls}
        kept.pop("folder")
        return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Summary:
        """That of a corpus folder. Raises DataError."""
        file = folder / CORPUS
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            kept.pop("shortfalls")
            sources = tuple(SourceSummary(**source) for source in kept.pop("sources"))
            return cls(sources=sources, folder=folder, **kept)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"{file}: cannot be read as a corpus's summary ({error}); build it again") from error


@cache
def figure3() -> dict[tuple[str, str], int]:
    """(group, source) → samples, as the paper's Figure 3 gives them."""
    text = files("onethinker.corpus").joinpath("figure3.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return {(row["group"], row["source"]): round(1000 * float(row["thousands"])) for row in rows}


def sha256(value: Any) -> str:
    """Over plain JSON, its keys sorted."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def summarise(
    recipe: CorpusRecipe,
    media: str,
    data_root: str,
    gathered: Mapping[str, Gathered],
    left_out: Mapping[str, Counter[str]],
    taken: Mapping[str, tuple[Pool, NDArray[np.bool_]]],
) -> Summary:
    """left_out: source → reason → chosen samples that cleaning took out, or whose media could not be written."""
    cells: Counter[str] = Counter()
    sources = []
    for key, found in gathered.items():
        pool, mask = taken[key]
        for at, count in enumerate(np.bincount(pool.cell[mask], minlength=len(pool.cells)).tolist()):
            cells[" · ".join(pool.cells[at])] += count
        reasons = Counter(found.left_out) + left_out[key]
        paper = figure3().get((found.group, found.name))
        sources.append(
            SourceSummary(
                key,
                found.name,
                found.group,
                None if paper is None else round(paper * recipe.scale),
                recipe.cap_of(key),
                found.rows,
                int(mask.sum()),
                dict(sorted(reasons.items())),
                found.problem,
                found.licence,
                found.split,
                found.inputs,
            )
        )
    tree = recipe.model_dump(mode="json")
    total = sum(source.taken for source in sources)
    if not total:
        lines = [source.shortfall or f"{source.key}: nothing to take" for source in sources]
        raise DataError(f"{recipe.name}: no source gives a sample:\n  " + "\n  ".join(lines))
    return Summary(
        recipe.name, tree, sha256(tree), sha256([source.inputs for source in sources]), media,
        data_root if media == "stay" else "", total, dict(sorted(cells.items())), tuple(sources),
    )  # fmt: skip
