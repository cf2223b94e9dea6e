"""Scenes → pixels and masks. Edges are antialiased; a thing's own outline is computed once per shape and size."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from pycocotools import mask as coco

from onethinker.data.worlds.font import GLYPH_HEIGHT, GLYPH_WIDTH, glyph
from onethinker.data.worlds.scene import GROUNDS, Scene, Thing

RGB = {
    "red": (220, 40, 40),
    "green": (40, 165, 60),
    "blue": (40, 80, 230),
    "yellow": (245, 215, 40),
    "purple": (150, 50, 190),
    "orange": (245, 140, 30),
    "cyan": (50, 200, 220),
    "pink": (245, 140, 190),
}
_FINER = 8

_OUTLINES: dict[str, list[tuple[float, float]]] = {
    "square": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "rectangle": [(0, 0), (1, 0), (1, 1), (0, 1)],
    "triangle": [(0.5, 0), (1, 1), (0, 1)],
    "diamond": [(0.5, 0), (1, 0.5), (0.5, 1), (0, 0.5)],
    "hexagon": [(0.25, 0), (0.75, 0), (1, 0.5), (0.75, 1), (0.25, 1), (0, 0.5)],
    "cross": [(0.3, 0), (0.7, 0), (0.7, 0.3), (1, 0.3), (1, 0.7), (0.7, 0.7),
              (0.7, 1), (0.3, 1), (0.3, 0.7), (0, 0.7), (0, 0.3), (0.3, 0.3)],
}  # fmt: skip


def corners(shape: str) -> int:
    """How many the shape has; a circle none."""
    return len(_OUTLINES.get(shape, ()))


@lru_cache(maxsize=512)
def outline(shape: str, width: int, height: int) -> np.ndarray:
    """How much of each pixel the shape covers, float32 0–1 (height, width)."""
    w, h = width * _FINER, height * _FINER
    fine = np.zeros((h, w), np.uint8)
    if shape == "circle":
        yy, xx = np.mgrid[:h, :w]
        inside = ((xx + 0.5) / w - 0.5) ** 2 + ((yy + 0.5) / h - 0.5) ** 2 <= 0.25
        fine[inside] = 255
    else:
        corners = np.array([(x * (w - 1), y * (h - 1)) for x, y in _OUTLINES[shape]])
        cv2.fillPoly(fine, [np.round(corners).astype(np.int32)], 255)
    return cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def render(scene: Scene) -> np.ndarray:
    """The scene's frames, uint8 RGB (frames, side, side, 3)."""
    ground = _ground(scene)
    frames = []
    for second in scene.times:
        canvas = ground.copy()
        for thing in scene.things:
            _draw_thing(canvas, thing, second)
        for word in scene.words:
            _write(canvas, word.text, word.place, RGB[word.colour], scene)
        frames.append(np.clip(canvas + 0.5, 0, 255).astype(np.uint8))
    return np.stack(frames)


def mask(scene: Scene, index: int, second: float) -> np.ndarray:
    """The visible pixels of thing `index`, uint8 0 | 1 (side, side): at least half covered by it and not hidden."""
    shown = np.zeros((scene.side, scene.side), np.uint8)
    for i, thing in enumerate(scene.things):
        box = thing.at(second)
        if box and i >= index:
            x1, y1, x2, y2 = box
            covered = outline(thing.shape, x2 - x1, y2 - y1) >= 0.5
            shown[y1:y2, x1:x2][covered] = i == index
    return shown


def run_lengths(pixels: np.ndarray) -> dict[str, object]:
    """A mask as COCO's compressed run lengths `{"size": [h, w], "counts": text}`."""
    encoded = coco.encode(np.asfortranarray(pixels))
    return {"size": list(pixels.shape), "counts": encoded["counts"].decode("ascii")}


def _ground(scene: Scene) -> np.ndarray:
    """Float32 (side, side, 3): a plain ground with grain, ruled lines and clutter."""
    rng = np.random.default_rng(int(scene.key(), 16) % 2**32)
    side = scene.side
    canvas = np.empty((side, side, 3), np.float32)
    canvas[:] = GROUNDS[scene.background]
    if scene.grain:
        canvas += rng.integers(-scene.grain, scene.grain + 1, (side, side, 1)).astype(np.float32)
    line = 110.0 if scene.background < 2 else 130.0
    for at in range(scene.ruled, side, scene.ruled) if scene.ruled else ():
        canvas[at, :], canvas[:, at] = line, line
    for _ in range(scene.clutter):
        x, y, dx, dy = (int(v) for v in rng.integers(0, side, 4))
        end = (x + (dx - side // 2) // 3, y + (dy - side // 2) // 3)
        cv2.line(canvas, (x, y), end, (line, line, line), 1, cv2.LINE_AA)
    return canvas


def _draw_thing(canvas: np.ndarray, thing: Thing, second: float) -> None:
    box = thing.at(second)
    if not box:
        return
    x1, y1, x2, y2 = box
    colour = np.array(RGB[thing.colour_at(second)], np.float32) * _texture(thing.texture, x2 - x1, y2 - y1)
    cover = outline(thing.shape, x2 - x1, y2 - y1)[..., None]
    canvas[y1:y2, x1:x2] = canvas[y1:y2, x1:x2] * (1 - cover) + colour * cover


@lru_cache(maxsize=64)
def _texture(name: str, width: int, height: int) -> np.ndarray:
    """Brightness, float32 (height, width, 1)."""
    yy, xx = np.mgrid[:height, :width]
    dark = {
        "plain": np.zeros((height, width), bool),
        "striped": yy // 2 % 2 == 1,
        "dotted": (xx % 4 < 2) & (yy % 4 < 2),
    }[name]
    return np.where(dark, 0.6, 1.0).astype(np.float32)[..., None]


def _write(canvas: np.ndarray, text: str, place: tuple[int, int], colour: tuple[int, int, int], scene: Scene) -> None:
    x, y = place
    for letter in text:
        patch = canvas[y : y + GLYPH_HEIGHT * scene.scale, x : x + GLYPH_WIDTH * scene.scale]
        patch[glyph(letter, scene.scale)[: patch.shape[0], : patch.shape[1]]] = colour
        x += scene.pitch
