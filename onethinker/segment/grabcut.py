"""GrabCut: masks without weights. On images from colour models of box and points; on clips the key frame's mask is
carried along by optical flow and cut anew at its border in every frame. An object that leaves is looked for where it
was last seen; one that jumps further than the flow reaches is lost.

Sources: GrabCut, Rother et al. 2004, as OpenCV has it; DIS optical flow, Kroeger et al. 2016. Every number below was
chosen on the real pack's two masks and on discs, squares and triangles of 64×64 clips; the tests hold what it gives.
"""

from __future__ import annotations

from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from onethinker.segment.base import Frame, Mask, Prompt, Segmenter

SIDE, MAX_ZOOM = 224, 4
"""The box and its surroundings are brought to this many pixels on the longer side before they are cut, but nothing is
enlarged further: from 64×64 pictures, 224 pixels took twice the time and gave an IoU of 0.977 in place of 0.985."""
MARGIN = 0.3
"""Surroundings of the box, in its width and height, from which the background's colours are learnt."""
DOT = 4
"""Radius, in pixels of the scaled cut, of what a point says about its surroundings."""
FLOW_PIXELS = 240 * 240
"""Clips are followed at about this many pixels a frame."""
BAND = 8
"""Pixels to either side of the carried mask's border, at that size, that are cut anew."""
CHANGED, ALIKE = 20.0, 12.0
"""Distances in OpenCV's 8-bit Lab: an object whose place changed by more, and now differs by less from its
surroundings, has left. On shapes that vanish they are 57–157 and 0–2, on shapes that stay 0–10 and 47–200."""
MIN_SAMPLES = 10
"""Fewer pixels teach no colour model (OpenCV fits five Gaussians to each)."""

Soft = NDArray[Any]
_INSIDE = (cv2.GC_FGD, cv2.GC_PR_FGD)


class GrabCut(Segmenter):
    """The default segmenter: OpenCV alone, on the CPU."""

    step: ClassVar[float] = 0.1

    def segment_image(
        self, image: Image.Image | Frame, box: ArrayLike, positive: ArrayLike, negative: ArrayLike
    ) -> Mask:
        pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
        return cut_out(pixels, Prompt.of(box, positive, negative).in_pixels(pixels.shape[1], pixels.shape[0]))

    def start(self, frame: Frame, prompt: Prompt, before: int, after: int) -> FlowTracker:
        return FlowTracker(frame, cut_out(frame, prompt.in_pixels(frame.shape[1], frame.shape[0])))


class FlowTracker:
    """A mask on its way through a clip, in both directions from the key frame."""

    def __init__(self, frame: Frame, mask: Mask) -> None:
        self.mask = mask
        height, width = mask.shape
        zoom = min((FLOW_PIXELS / (width * height)) ** 0.5, MAX_ZOOM)
        self.size = (max(16, round(width * zoom)), max(16, round(height * zoom)))  # (width, height); DIS needs 16
        self.flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        start = self._scaled(frame), resize(mask.astype(np.float32), self.size)
        self.last = {False: start, True: start}

    def follow(self, frame: Frame, reverse: bool) -> Mask:
        old, soft = self.last[reverse]
        new = self._scaled(frame)
        flow_HW2 = self.flow.calc(_grey(new), _grey(old), np.zeros((*soft.shape, 2), np.float32))  # new → old
        mask = carry(soft, flow_HW2) > 0.5
        if vanished(new, carry(old, flow_HW2), mask):
            return np.zeros_like(self.mask)  # and look for it again where it was last seen
        soft = recut(new, mask)
        self.last[reverse] = new, soft
        return resize(soft, (self.mask.shape[1], self.mask.shape[0])) > 0.5

    def _scaled(self, frame: Frame) -> Frame:
        return resize(frame, self.size)


def cut_out(image: Frame, prompt: Prompt) -> Mask:
    """The object in a pixel box with points on and off it, (H, W).

    A box too small for a colour model is its own mask.
    """
    height, width = image.shape[:2]
    around = (prompt.box[2:] - prompt.box[:2]) * MARGIN + 2
    low = np.floor((prompt.box[:2] - around).clip(0)).astype(int)
    high = np.ceil(np.minimum(prompt.box[2:] + around, [width, height])).astype(int)
    (left, top), (right, bottom) = low, high
    zoom = min(SIDE / max(high - low), MAX_ZOOM)
    size = (max(8, round((right - left) * zoom)), max(8, round((bottom - top) * zoom)))
    scale = np.array(size) / (high - low)

    x1, y1, x2, y2 = ((prompt.box.reshape(2, 2) - low) * scale).round().astype(int).ravel()
    labels = np.full(size[::-1], cv2.GC_BGD, np.uint8)
    labels[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)] = cv2.GC_PR_FGD
    rim = np.ones_like(labels, bool)
    rim[1:-1, 1:-1] = False
    labels[rim & (labels == cv2.GC_PR_FGD)] = cv2.GC_PR_BGD  # a box that fills the image leaves no other background
    for points, label in ((prompt.positive, cv2.GC_FGD), (prompt.negative, cv2.GC_BGD)):
        for x, y in ((points - low) * scale).astype(int).tolist():
            cv2.circle(labels, (x, y), DOT, label, -1)

    inside = cut(resize(image[top:bottom, left:right], size), labels, rounds=4)
    mask = np.zeros((height, width), bool)
    mask[top:bottom, left:right] = resize(inside.astype(np.float32), (right - left, bottom - top)) > 0.5
    return mask


def recut(image: Frame, mask: Mask) -> Soft:
    """The mask (0–1) with its border moved to where the image's colours change, at most `BAND` pixels away."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    plain = mask.astype(np.uint8)
    reach = cv2.dilate(plain, kernel)
    rows, columns = np.flatnonzero(reach.any(1)), np.flatnonzero(reach.any(0))
    if len(rows) == 0:
        return mask.astype(np.float32)
    labels = np.where(mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    depth = cv2.distanceTransform(plain, cv2.DIST_L2, 3)
    labels[depth >= min(BAND, 0.7 * depth.max())] = cv2.GC_FGD  # thin objects keep their middle
    labels[reach == 0] = cv2.GC_BGD
    margin = 3 * BAND
    window = (
        slice(max(rows[0] - margin, 0), rows[-1] + margin + 1),
        slice(max(columns[0] - margin, 0), columns[-1] + margin + 1),
    )
    soft = np.zeros(mask.shape, np.float32)
    soft[window] = cut(image[window], labels[window].copy(), rounds=1)
    return cv2.GaussianBlur(soft, (3, 3), 0)


def vanished(new: Frame, carried: Frame, mask: Mask) -> bool:
    """Whether the object of the carried frame has gone: its place looks different now, and like what surrounds it."""
    if not mask.any():
        return False
    near, far = (cv2.dilate(mask.astype(np.uint8), np.ones((n, n))) > 0 for n in (5, 17))
    ring = far & ~near
    now, then = (cv2.cvtColor(frame, cv2.COLOR_RGB2LAB).astype(np.float32) for frame in (new, carried))
    change = float(np.median(np.linalg.norm(now[mask] - then[mask], axis=1)))
    if change < CHANGED or not ring.any():
        return False
    return float(np.linalg.norm(np.median(now[mask], axis=0) - np.median(now[ring], axis=0))) < ALIKE


def cut(image: Frame, labels: NDArray[np.uint8], rounds: int) -> Mask:
    """GrabCut in Lab colours from OpenCV's labels, which are overwritten; unchanged where colours cannot be learnt.

    At most `rounds` of learning colours and cutting, none after one that moves no pixel.
    """
    inside = np.isin(labels, _INSIDE)
    if MIN_SAMPLES <= inside.sum() <= inside.size - MIN_SAMPLES:
        cv2.setRNGSeed(0)  # its k-means draws
        lab, models = cv2.cvtColor(image, cv2.COLOR_RGB2LAB), (np.zeros((1, 65)), np.zeros((1, 65)))
        for mode in (cv2.GC_INIT_WITH_MASK, *[cv2.GC_EVAL] * (rounds - 1)):
            before = labels.copy()
            cv2.grabCut(lab, labels, (0, 0, 0, 0), *models, 1, mode)  # reads no rectangle
            if np.array_equal(labels, before):
                break
        inside = np.isin(labels, _INSIDE)
    return inside


def carry(pixels: NDArray[Any], flow_HW2: NDArray[Any]) -> NDArray[Any]:
    """A mask or frame moved along: each pixel takes the value from where the flow says that it was."""
    x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in pixels.shape[1::-1]))
    return cv2.remap(pixels, x + flow_HW2[..., 0], y + flow_HW2[..., 1], cv2.INTER_LINEAR)


def resize(pixels: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """To (width, height): area means when shrinking, cubic when enlarging; masks from 0 to 1 linear."""
    if pixels.ndim == 2:
        return cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
    smaller = size[0] < pixels.shape[1]
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def _grey(frame: NDArray[Any]) -> NDArray[Any]:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
