"""A benchmark's one number: its headline metric over all its questions, whatever tasks they are of."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from onethinker.evaluate.benchmarks import Benchmark
from onethinker.sample import Sample
from onethinker.sample.answer import Status
from onethinker.scoring.bootstrap import Bootstrap, ratio
from onethinker.scoring.results import Row, is_error, score_of
from onethinker.tasks import get_task
from onethinker.tasks.base import MetricProfile

_ROTATION = 1_000_000
"""MMBench numbers the rotations of question i as i + k·10⁶ (VLMEvalKit's mcq_circular_eval, lmms-eval's evaluator)."""
_INDEX = re.compile(r"\d{1,18}$")

Term = tuple[float, float]


def measured(
    benchmark: Benchmark, rows: Sequence[Row], samples: Sequence[Sample], profile: MetricProfile, bootstrap: Bootstrap
) -> dict[str, Any]:
    """The entry `benchmark` of a summary: who it is, its `value` with interval, and the paper's numbers beside it.

    n: questions that count, without errors; of a circular benchmark groups of rotations, left out if one is an error.
    The value is the metric over all of them, or the mean over what `mean_over` tells apart, whatever their sizes.
    released: the value by the published run's formulas, to stand beside the paper's.
    published: model → the headline as the paper has it; `published_metrics` has its other metrics. All 0–1. A metric
    that the answers have no evidence for (masks that nobody made) is null.
    """
    ids = {sample.id for sample in samples}
    greedy = [row for row in rows if row["decoding"] == "greedy" and row["id"] in ids]
    terms, released = (_terms(benchmark, greedy, samples, each) for each in (profile, "released"))
    metrics = dict.fromkeys(name for found in benchmark.published.values() for name in found)
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "family": benchmark.family,
        "split": benchmark.split,
        "size": benchmark.size,
        "questions": len(ids),
        "n": len(terms),
        "errors": sum(map(is_error, greedy)),
        "metric": benchmark.metric,
        **ratio(terms, bootstrap.of(benchmark.name)).row(),
        "released": ratio(released, bootstrap.of(benchmark.name)).row(),
        "table": benchmark.table,
        "published": benchmark.paper(),
        "published_metrics": {name: benchmark.paper(name) for name in metrics},
        "note": benchmark.note,
    }


def _terms(
    benchmark: Benchmark, greedy: Sequence[Row], samples: Sequence[Sample], profile: MetricProfile
) -> list[Term]:
    """What the answers count."""
    if benchmark.circular:
        return _rotations(benchmark, greedy, profile)
    scored = [row for row in greedy if not is_error(row)]
    terms = [_term(benchmark, row, profile) for row in scored]
    if not benchmark.mean_over:
        return terms
    kinds = {sample.id: str(sample.meta.get(benchmark.mean_over, "")) for sample in samples}
    return _even(terms, [kinds[row["id"]] for row in scored])


def _term(benchmark: Benchmark, row: Row, profile: MetricProfile) -> Term:
    """One answer's (numerator, denominator). `accuracy` is every task's own where it has no metric of that name."""
    score = score_of(row)
    found = get_task(row["task"]).counted(score, profile)
    if benchmark.metric in found:
        return found[benchmark.metric]
    if benchmark.metric != "accuracy":
        return math.nan, math.nan
    return (score.accuracy if profile == "released" or score.status is Status.OK else 0.0), 1.0


def _even(terms: Sequence[Term], kinds: Sequence[str]) -> list[Term]:
    """The terms weighted so that each kind counts the same: Σ numerators / Σ denominators is the mean over kinds."""
    whole: dict[str, float] = defaultdict(float)
    for (_, denominator), kind in zip(terms, kinds, strict=True):
        whole[kind] += denominator if math.isfinite(denominator) else 0.0
    return [(part / whole[kind], all_ / whole[kind]) if whole[kind] else (math.nan, math.nan)
            for (part, all_), kind in zip(terms, kinds, strict=True)]  # fmt: skip


def _rotations(benchmark: Benchmark, rows: Sequence[Row], profile: MetricProfile) -> list[Term]:
    """A term for each question, right if all its rotations are."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[_INDEX.sub(lambda match: str(int(match[0]) % _ROTATION), row["id"])].append(row)
    whole = [group for group in groups.values() if not any(map(is_error, group))]
    return [(min(_term(benchmark, row, profile)[0] for row in group), 1.0) for group in whole]
