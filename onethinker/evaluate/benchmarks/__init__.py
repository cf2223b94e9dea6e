"""The 31 benchmarks of the paper (arXiv 2512.03043) and its six unseen tasks, declared: a table for each family, and
the family `beyond`, which is none of the paper's.

Numbers of the paper stand in the tables' docstrings as it prints them. A split is one entry: RefCOCO is three.
"""

from __future__ import annotations

from onethinker.evaluate.benchmarks import beyond, grounding, image_qa, segmentation, video_qa
from onethinker.evaluate.benchmarks.base import BASE, FAMILIES, OURS, Benchmark, Family, Place
from onethinker.util.names import nearest

__all__ = ["BASE", "BENCHMARKS", "FAMILIES", "OURS", "Benchmark", "BenchmarkError", "Family", "Place", "choose"]

_ALL = (*image_qa.BENCHMARKS, *video_qa.BENCHMARKS, *grounding.BENCHMARKS, *segmentation.BENCHMARKS, *beyond.BENCHMARKS)
BENCHMARKS: dict[str, Benchmark] = {b.name: b for family in FAMILIES for b in _ALL if b.family == family}


class BenchmarkError(ValueError):
    """A benchmark that cannot be run as asked; says what to do."""


def choose(names: str) -> dict[str, bool]:
    """`all`, families and names, parted by commas → benchmark → whether it was named itself, in the table's order.

    Raises BenchmarkError naming the nearest of an unknown one.
    """
    found: dict[str, bool] = {}
    for word in filter(None, (part.strip().lower() for part in names.split(","))):
        of_word = [b.name for b in BENCHMARKS.values() if word in ("all", b.family, b.name)]
        if not of_word:
            near = nearest(word, ["all", *FAMILIES, *BENCHMARKS])
            raise BenchmarkError(f"no benchmark or family {word!r}; the nearest is {near!r}, `eval --list` shows all")
        for name in of_word:
            found[name] = found.get(name, False) or name == word
    if not found:
        raise BenchmarkError("no benchmark named; give names, families or `all`, parted by commas")
    return {name: found[name] for name in BENCHMARKS if name in found}
