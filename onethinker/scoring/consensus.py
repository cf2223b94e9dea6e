"""Several answers to one question → the one that the others agree with most, and how far they do.

The chosen answer is that of minimum Bayes risk (Kumar and Byrne 2004; for speech and translation): the greatest mean
accuracy against every other answer as if that were the truth, by the task's own measure. So letters are voted on, of
boxes, spans, tracks and prompts of masks the one in the middle is taken, and of descriptions the most typical. Its mean
accuracy against the others is the agreement, 0–1, which serves as a confidence once it is calibrated (`calibration`).
An answer that cannot be read agrees with none, and is chosen only where none can be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Answer, Status
from onethinker.tasks import get_task

BINS = 10
COVERAGES = (0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Consensus:
    """index: of the chosen answer, 0 where none can be read. agreement: 0–1, 0 for a single answer."""

    index: int
    agreement: float


def consensus(samples: Sequence[Sample], answers: Sequence[Sequence[Answer]]) -> list[Consensus]:
    """Of each sample's answers the consensus. All samples are of one task. Raises DataError for `meta` that the task's
    measure needs and lacks."""
    pairs, preds, trues, asked = list[tuple[int, int]](), [], [], list[Sample]()
    readable = list[list[int]]()
    task = get_task(samples[0].task) if samples else None
    for n, (sample, given) in enumerate(zip(samples, answers, strict=True)):
        assert task is not None
        readings = [task.read(sample, answer) for answer in given]
        known = [(i, r.value) for i, r in enumerate(readings) if r.status is Status.OK and r.value is not None]
        readable.append([i for i, _ in known])
        for i, one in known:
            for j, other in known:
                if i != j:
                    pairs.append((n, i))
                    preds.append(one)
                    trues.append(other)
                    asked.append(sample)
    sums = [np.zeros(len(given)) for given in answers]
    if task is not None and pairs:
        accuracy = task.measure(task.arrays(preds), task.arrays(trues), asked).accuracy
        for (n, i), value in zip(pairs, np.asarray(accuracy, dtype=float).tolist(), strict=True):
            sums[n][i] += value
    return [_chosen(total_N, known) for total_N, known in zip(sums, readable, strict=True)]


def _chosen(total_N: NDArray[np.float64], readable: Sequence[int]) -> Consensus:
    """The first of the best that can be read, so that equal answers are chosen by their order."""
    if not len(total_N):
        raise DataError("a question without answers has no consensus; ask it at least once")
    best = max(readable, key=lambda i: total_N[i], default=0)
    return Consensus(best, float(total_N[best]) / max(len(total_N) - 1, 1))


def calibration(agreements: Sequence[float], accuracies: Sequence[float]) -> dict[str, object]:
    """How well agreement tells accuracy: `ece`, the expected calibration error over ten bins of equal width (Guo et
    al. 2017, 1706.04599), `bins` of (mean agreement, mean accuracy, count), and `coverage`: the mean accuracy of the
    share of questions whose answers agree most, ties by their order."""
    agreement_N, accuracy_N = np.asarray(agreements, float), np.asarray(accuracies, float)
    place_N = np.minimum((agreement_N * BINS).astype(int), BINS - 1)
    bins = []
    for k in range(BINS):
        if len(held := np.flatnonzero(place_N == k)):
            bins.append((float(agreement_N[held].mean()), float(accuracy_N[held].mean()), len(held)))
    total = max(len(agreement_N), 1)
    ranked = accuracy_N[np.argsort(-agreement_N, kind="stable")]
    kept = {share: max(1, round(share * total)) for share in COVERAGES}
    return {
        "ece": sum(count * abs(confidence - right) for confidence, right, count in bins) / total,
        "bins": bins,
        "coverage": {f"{share:g}": float(ranked[:count].mean()) for share, count in kept.items()}
        if len(ranked)
        else {},
    }
