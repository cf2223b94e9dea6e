"""How fast J&F is on one core: `python -m benchmarks.masks`; `benchmarks.score` runs it too.

A clip of 854×480 pixels and 100 frames, three sizes of object, beside the definition written out with
scikit-image's dilation on the whole frame.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage.morphology import dilation, disk

from onethinker.measure import masks

HEIGHT, WIDTH, FRAMES = 480, 854, 100
RADII_PIXELS = (40, 120, 220)
LIMIT_SECONDS = 1.0
PLAIN_FRAMES = 5


def clip_of(radius: float, lobes: int, drift: int) -> np.ndarray:
    """A lobed blob that drifts through the frames, (T, H, W)."""
    frames = np.zeros((FRAMES, HEIGHT, WIDTH), dtype=np.uint8)
    angle = np.linspace(0, 2 * np.pi, 240)
    reach = radius * (1 + 0.15 * np.sin(lobes * angle))
    for t, frame in enumerate(frames):
        centre = np.array([WIDTH / 2 + t % drift, HEIGHT / 2])
        outline = centre + np.stack([reach * np.cos(angle), reach * np.sin(angle)], axis=1)
        cv2.fillPoly(frame, [outline.astype(np.int32)], (1,))
    return frames.astype(bool)


def plain_jf(pred_THW: np.ndarray, true_THW: np.ndarray) -> float:
    """J&F as its definition reads, frame by frame, for masks that are not empty."""
    radius = math.ceil(0.008 * math.hypot(HEIGHT, WIDTH))
    total = 0.0
    for pred, true in zip(pred_THW, true_THW):
        j = (pred & true).sum() / (pred | true).sum()
        edges = [masks.boundary(mask) for mask in (pred, true)]
        near = [dilation(edge, disk(radius).astype(bool)) for edge in edges]
        precision, recall = (edges[0] & near[1]).sum() / edges[0].sum(), (edges[1] & near[0]).sum() / edges[1].sum()
        total += (j + 2 * precision * recall / (precision + recall)) / 2
    return total / len(pred_THW)


def timed(function: Callable[[], float], repeats: int) -> tuple[float, float]:
    """The value and the least processor time of a few calls, in seconds."""
    best, value = math.inf, math.nan
    for _ in range(repeats):
        start = time.process_time()
        value = function()
        best = min(best, time.process_time() - start)
    return value, best


def main() -> None:
    cv2.setNumThreads(1)
    table = Table(title=f"J&F, {WIDTH}×{HEIGHT}, {FRAMES} frames, seconds of one core (limit {LIMIT_SECONDS})")
    for column in (
        "radius, pixels",
        "J&F",
        "F",
        "F released",
        "ours, s",
        "frames a second",
        "plain, s",
        "times faster",
    ):
        table.add_column(column, justify="right")
    slowest = 0.0
    for radius in RADII_PIXELS:
        pred, true = clip_of(radius, 7, 5), clip_of(radius, 9, 3)
        f, released = masks.j_and_f(pred, true).f, masks.released_j_and_f(pred, true, np.ones(FRAMES, bool)).f
        value, ours = timed(lambda pred=pred, true=true: masks.j_and_f(pred, true).jf, 3)
        few = masks.j_and_f(pred[:PLAIN_FRAMES], true[:PLAIN_FRAMES]).jf
        plain_value, plain = timed(lambda pred=pred, true=true: plain_jf(pred[:PLAIN_FRAMES], true[:PLAIN_FRAMES]), 1)
        plain *= FRAMES / PLAIN_FRAMES
        assert abs(few - plain_value) < 1e-12, f"ours {few}, the definition {plain_value}"
        cells = [
            f"{value:.4f}",
            f"{f:.3f}",
            f"{released:.3f}",
            f"{ours:.3f}",
            f"{FRAMES / ours:.0f}",
            f"{plain:.1f}",
            f"{plain / ours:.0f}",
        ]
        table.add_row(str(radius), *cells)
        slowest = max(slowest, ours)
    Console().print(table)
    if slowest >= LIMIT_SECONDS:
        raise SystemExit(f"J&F took {slowest:.2f} s, the limit is {LIMIT_SECONDS} s")


if __name__ == "__main__":
    main()
