"""Every measure that an independent tool has too: cases drawn at random, and the largest difference.

python -m benchmarks.peers [--cases 2000] [--seed 0]
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Iterator

import jiwer
import numpy as np
import shapely
from got10k.utils.metrics import rect_iou
from math_verify import parse, verify
from pycocotools import mask as coco
from rich.console import Console
from rich.table import Table
from rouge_score.rouge_scorer import RougeScorer
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from skimage.morphology import dilation, disk

from onethinker.measure import boxes, masks, points, spans, text, tracks

Pair = tuple[float, float]
SENTENCE = "the cat cats runs running ran quickly relational generalization dogs' don't 3.5 red, green; IT'S 1/2 - /"
WORDS = SENTENCE.split()
FORMULAS = [
    r"1/2",
    r"0.5",
    r"\frac{1}{2}",
    r"2x+1",
    r"1+2x",
    r"x^2",
    r"\sqrt{4}",
    r"2",
    r"50%",
    r"(1,2)",
    r"(2,1)",
    r"\pi",
    r"3.14",
]


def random_boxes(rng: np.random.Generator, count: int) -> np.ndarray:
    corner = rng.uniform(0, 1000, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, 500, (count, 2))], axis=1)


def sides(corners: np.ndarray) -> np.ndarray:
    return np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)


def box_iou(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    a, b = random_boxes(rng, count), random_boxes(rng, count)
    peer = [coco.iou([x], [y], [0])[0, 0] for x, y in zip(sides(a), sides(b), strict=True)]
    yield from zip(boxes.iou(a, b), peer, strict=True)


def span_iou(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    a, b = (np.sort(rng.uniform(0, 60, (count, 2)), axis=1) for _ in range(2))
    lines = [shapely.box(x[:, 0], np.zeros(count), x[:, 1], np.ones(count)) for x in (a, b)]
    peer = shapely.area(shapely.intersection(*lines)) / shapely.area(shapely.union(*lines))
    yield from zip(spans.iou(a, b), peer, strict=True)


def matched_points(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    pred, true = rng.uniform(0, 1000, (2, count, 3, 2))
    for ours, p, t in zip(points.matched_distance(pred, true), pred, true, strict=True):
        distance = cdist(p, t)
        yield ours, distance[linear_sum_assignment(distance)].mean()


def track_iou(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    for _ in range(max(1, count // 50)):
        true = random_boxes(rng, 50)
        pred, size = true + rng.normal(0, 50, (50, 4)), (1280, 720)
        found = tracks.got10k(pred, true, size)
        peer = rect_iou(sides(pred)[1:], sides(true)[1:], bound=size)
        yield found["iou"] / found["frames"], peer.mean()
        yield found["above_0.5"], (peer > 0.5).sum()


def random_mask(rng: np.random.Generator) -> np.ndarray:
    return dilation(rng.random((60, 90)) < rng.uniform(0.002, 0.02), disk(3))


def mask_iou(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    for _ in range(count // 10):
        a, b = random_mask(rng), random_mask(rng)
        one, two = (coco.encode(np.asfortranarray(m.astype(np.uint8))) for m in (a, b))
        yield float(masks.iou(a, b)), coco.iou([one], [two], [0])[0, 0]


def mask_boundary(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    """DAVIS's F from its definition: contours that meet within a disk of ceil(0.008 · diagonal)."""
    for _ in range(count // 10):
        a, b = random_mask(rng), random_mask(rng)
        near = disk(int(np.ceil(0.008 * np.hypot(*a.shape))))
        one, two = contour(a), contour(b)
        if one.any() and two.any():
            precision = (one & dilation(two, near)).sum() / one.sum()
            recall = (two & dilation(one, near)).sum() / two.sum()
            yield float(masks.boundary_f(a, b)), 2 * precision * recall / max(precision + recall, 1e-300)


def contour(mask: np.ndarray) -> np.ndarray:
    """DAVIS's seg2bmap: a pixel that differs from its neighbour to the right, below, or both ways."""
    grown = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    return (mask ^ grown[:-1, 1:]) | (mask ^ grown[1:, :-1]) | (mask ^ grown[1:, 1:])


def sentences(rng: np.random.Generator, count: int) -> Iterator[tuple[str, str]]:
    draw = random.Random(int(rng.integers(1 << 30)))
    for _ in range(count):
        yield " ".join(draw.choices(WORDS, k=draw.randint(1, 30))), " ".join(draw.choices(WORDS, k=draw.randint(0, 30)))


def word_errors(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    return ((text.wer(a, b), jiwer.wer(a, b)) for a, b in sentences(rng, count))


def rouge(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    scorer = RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
    for a, b in sentences(rng, count):
        peer = scorer.score(a, b)
        yield from zip(text.rouge(a, b), (peer[k].fmeasure for k in ("rouge1", "rouge2", "rougeL")), strict=True)


def formulas(rng: np.random.Generator, count: int) -> Iterator[Pair]:
    for a in FORMULAS:
        for b in FORMULAS:
            yield float(text.math_equal(a, b)), float(verify(parse(f"${b}$"), parse(f"${a}$")))


PEERS: list[tuple[str, str, Callable[[np.random.Generator, int], Iterator[Pair]]]] = [
    ("boxes.iou", "pycocotools", box_iou),
    ("spans.iou", "shapely", span_iou),
    ("points.matched_distance", "scipy", matched_points),
    ("tracks.got10k", "got10k", track_iou),
    ("masks.iou", "pycocotools", mask_iou),
    ("masks.boundary_f", "scikit-image's disk", mask_boundary),
    ("text.wer", "jiwer", word_errors),
    ("text.rouge", "rouge-score", rouge),
    ("text.math_equal", "math-verify", formulas),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = Table("function", "peer", "cases", "largest difference")
    for name, peer, pairs in PEERS:
        ours, theirs = np.array(list(pairs(np.random.default_rng(given.seed), given.cases))).T
        table.add_row(name, peer, f"{len(ours):,}", f"{np.abs(ours - theirs).max():.1g}")
    Console().print(table)


if __name__ == "__main__":
    main()
