"""Question types that no training, validation or test split asks, each answered in the form of one of the tasks.

kind            task                what is asked
point_tracking  tracking            a point of the first frame, as a box around it at each second
quality         multiple_choice     what is wrong with the picture: blur, noise, darkness or nothing
anomaly         spatial_grounding   the thing that differs from all the others
rotated_box     spatial_grounding   the box around a tilted bar
tilt            regression          by how many degrees the bar is turned
gui             spatial_grounding   the button to press, on a simple page
unseen_count    numerical           things of a colour and shape that training never combines
seen_count      numerical           the same of a colour and shape that it does combine: no new type, but the control
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np

from onethinker.data.worlds.questions.ask import choices, letter
from onethinker.data.worlds.render import RGB, render
from onethinker.data.worlds.scene import (
    FPS,
    INKS,
    MARGIN,
    UNSEEN,
    Level,
    Scene,
    Thing,
    Word,
    WorldError,
    draw_clip,
    draw_still,
    draw_thing,
    fits_beside,
    level_of,
    with_ground,
)
from onethinker.media import write_clip, write_image
from onethinker.sample import Sample, save_samples
from onethinker.tasks.asking import compact, norm, norm_box, plural
from onethinker.util.files import write_whole
from onethinker.util.progress import bar
from onethinker.util.runs import locked, open_run

PHRASES = ("the point", "wrong with", "differs from", "tilted", "button", *(f"{c} {s}" for c, s in sorted(UNSEEN)))
"""Pieces of the questions below; `leaks` looks for them in data to be trained on."""


@dataclass(frozen=True, slots=True)
class Question:
    """pixels: uint8 RGB (frames, side, side, 3)."""

    task: str
    text: str
    truth: str
    pixels: np.ndarray
    options: tuple[str, ...] = ()


ANGLES = (10, 20, 40, 80, 160)
"""Degrees that the bar is turned by: each twice the last, since the metric's errors are relative."""

Maker = Callable[[Random, Level], Question]


def point_tracking(rng: Random, level: Level) -> Question:
    """The middle of a moving thing, followed."""
    while True:
        scene = draw_clip(rng, level)
        movers = [t for t in scene.things if any(t.shift) and not t.shown]
        if movers:
            break
    thing, reach = rng.choice(movers), 4
    boxes = {}
    for second in range(int(np.ceil(scene.seconds))):
        x, y = _middle(thing, second)
        boxes[str(second + 1)] = norm_box((x - reach, y - reach, x + reach, y + reach), scene.side)
    x, y = (norm(v, scene.side) for v in _middle(thing, 0))
    width = norm(2 * reach, scene.side)
    text = f"Follow the point [{x}, {y}] of the first frame: a box {width} wide around it at each second."
    return Question("tracking", text, compact({"boxes": boxes}), render(scene))


def quality(rng: Random, level: Level) -> Question:
    """One of four states of a picture."""
    pixels = render(draw_still(rng, level))
    fault = rng.choice(("blur", "noise", "darkness", "nothing"))
    image = pixels[0].astype(np.float32)
    if fault == "blur":
        image = cv2.GaussianBlur(image, (0, 0), 3.0)
    elif fault == "noise":
        image = image + np.random.default_rng(rng.randrange(2**32)).normal(0, 45, image.shape)
    elif fault == "darkness":
        image = image * 0.25
    options = choices(rng, fault, ("blur", "noise", "darkness", "nothing"))
    clipped = np.clip(image, 0, 255).astype(np.uint8)[None]
    return Question("multiple_choice", "What is wrong with the picture?", letter(options, fault), clipped, options)


def anomaly(rng: Random, level: Level) -> Question:
    """Four equal things and one of another colour or shape."""
    usual = draw_thing(rng, level)
    while True:
        odd = draw_thing(rng, level)
        if (odd.colour == usual.colour) != (odd.shape == usual.shape):
            break
    things = _scatter(rng, level, [replace(odd, texture=usual.texture), *[usual] * 4])
    scene = with_ground(rng, level, Scene(level.side, tuple(things)))
    truth = compact({"boxes": norm_box(things[0].box, scene.side)})
    return Question("spatial_grounding", "the shape that differs from the others", truth, render(scene))


def rotated_box(rng: Random, level: Level) -> Question:
    colour, box, _, pixels = _tilted(rng, level)
    truth = compact({"boxes": norm_box(box, level.side)})
    return Question("spatial_grounding", f"the tilted {colour} bar", truth, pixels)


def tilt(rng: Random, level: Level) -> Question:
    _, _, angle, pixels = _tilted(rng, level)
    text = "By how many degrees is the tilted bar turned clockwise from level?"
    return Question("regression", text, str(angle), pixels)


def gui(rng: Random, level: Level) -> Question:
    """A page with a bar on top and three buttons with a letter each."""
    side, edge = level.side, level.side // 16
    things = [Thing("rectangle", "cyan", "big", (0, 0, side, 2 * edge))]
    letters, words = rng.sample("ACEHKLTX", 3), []
    columns = rng.sample(range(2), 2)
    for row, text in enumerate(letters):
        x, y = edge + columns[row % 2] * 7 * edge, (3 + 4 * row) * edge + edge // 2
        box = (x, y, x + 7 * edge, y + 4 * edge - edge // 2)
        things.append(Thing("rectangle", "yellow", "big", box))
        words.append(Word(text, (x + 3 * edge, y), rng.choice(INKS)))
    scene = with_ground(rng, level, Scene(side, tuple(things), tuple(words)))
    target = rng.randrange(3)
    truth = compact({"boxes": norm_box(things[target + 1].box, side)})
    return Question("spatial_grounding", f"the button {letters[target]}", truth, render(scene))


def unseen_count(rng: Random, level: Level) -> Question:
    return _count(rng, level, *rng.choice(sorted(UNSEEN)))


def seen_count(rng: Random, level: Level) -> Question:
    usual = draw_thing(rng, level)
    return _count(rng, level, usual.colour, usual.shape)


MAKERS: dict[str, Maker] = {
    "point_tracking": point_tracking,
    "quality": quality,
    "anomaly": anomaly,
    "rotated_box": rotated_box,
    "tilt": tilt,
    "gui": gui,
    "unseen_count": unseen_count,
    "seen_count": seen_count,
}

CONTROL = "seen_count"

GUESSED = {"anomaly": 1 / 5, "gui": 1 / 3}
"""How often he is right who sees the things and picks any of them."""


def build_zeroshot(out: str | Path, n: int, seed: int, difficulty: int = 0) -> Path:
    """Write `out/samples.jsonl` with `n` questions, the kinds in turn, their media and `out/world.json`.

    Seeded, idempotent and refused over another configuration as `build_world` is. Raises RunError, WorldError.
    """
    folder, level = Path(out), level_of(difficulty)
    if n < 1:
        raise WorldError(f"{n} zero-shot questions: expected 1 or more")
    config = {"seed": seed, "difficulty": difficulty, "n": n, "kinds": list(MAKERS)}
    with locked(folder):
        open_run(folder, config)
        if not (folder / "world.json").exists():
            (folder / "media").mkdir(exist_ok=True)
            samples = []
            with bar("world: zeroshot", n) as advance:
                for index in range(n):
                    samples.append(_sample(folder, index, seed, level))
                    advance()
            save_samples(samples, folder / "samples.jsonl")
            counts = dict(sorted(Counter(s.meta["kind"] for s in samples).items()))
            write_whole(folder / "world.json", json.dumps(config | {"counts": counts}, indent=1))
    return folder


def leaks(samples: Sequence[Sample]) -> list[str]:
    """The ids of samples whose question, options or worked answer has a zero-shot question's phrase."""
    found = []
    for sample in samples:
        text = " ".join([sample.question, *sample.options, sample.truth, str(sample.meta.get("response", ""))]).lower()
        if any(phrase in text for phrase in PHRASES):
            found.append(sample.id)
    return found


def _sample(folder: Path, index: int, seed: int, level: Level) -> Sample:
    kind = list(MAKERS)[index % len(MAKERS)]
    question = MAKERS[kind](Random(f"{seed}/zeroshot/{index}"), level)
    clip = len(question.pixels) > 1
    digest = hashlib.sha256(question.pixels.tobytes()).hexdigest()[:16]
    media = f"media/{digest}.{'mp4' if clip else 'png'}"
    if clip:
        write_clip(folder / media, question.pixels, FPS)
    else:
        write_image(folder / media, question.pixels[0])
    height, width = question.pixels.shape[1:3]
    meta: dict[str, Any] = {"resolution": {"width": width, "height": height}, "split": "zeroshot", "kind": kind}
    meta |= {"fps": float(FPS)} if clip else {}
    return Sample(
        id=f"zeroshot-{index:06d}",
        task=question.task,
        modality="video" if clip else "image",
        question=question.text,
        truth=question.truth,
        options=question.options,
        media=(media,),
        source="world-zeroshot",
        meta=meta,
    )


def _count(rng: Random, level: Level, colour: str, shape: str) -> Question:
    """Zero to three things of that colour and shape among four in all, so that how full a picture is tells nothing."""
    count = rng.randint(0, 3)
    others = []
    for _ in range(4 - count):
        while (other := draw_thing(rng, level)).colour == colour and other.shape == shape:
            pass
        others.append(other)
    wanted = [replace(draw_thing(rng, level), colour=colour, shape=shape) for _ in range(count)]
    scene = with_ground(rng, level, Scene(level.side, tuple(_scatter(rng, level, [*wanted, *others]))))
    return Question("numerical", f"How many {colour} {plural(shape)} are there?", str(count), render(scene))


def _scatter(rng: Random, level: Level, things: Sequence[Thing]) -> list[Thing]:
    """The things at new places, as small as the level has them and apart from one another."""
    size, side = min(level.sizes.items(), key=lambda item: item[1])
    while True:
        placed: list[Thing] = []
        for thing in things:
            for _ in range(50):
                x, y = (rng.randrange(MARGIN, level.side - MARGIN - side + 1, level.grid) for _ in range(2))
                moved = replace(thing, size=size, box=(x, y, x + side, y + side))
                if fits_beside(moved, placed):
                    placed.append(moved)
                    break
        if len(placed) == len(things):
            return placed


def _middle(thing: Thing, second: float) -> tuple[int, int]:
    box = thing.at(second)
    assert box
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


def _tilted(rng: Random, level: Level) -> tuple[str, tuple[int, int, int, int], int, np.ndarray]:
    """Colour, enclosing pixel box, degrees clockwise and picture (1, side, side, 3) of one turned bar, anywhere."""
    side = level.side
    ground = render(with_ground(rng, level, Scene(side, words=())))[0]
    colour, angle = rng.choice(INKS), rng.choice(ANGLES)
    length, thick = rng.choice((side * 3 // 8, side // 2, side * 5 // 8)), side // 8
    spread = cv2.boxPoints(((0, 0), (length, thick), angle)).max(0)
    middle = tuple(rng.uniform(reach, side - reach) for reach in spread.tolist())
    corners = cv2.boxPoints((middle, (length, thick), angle))
    finer = 8
    cover = np.zeros((side * finer, side * finer), np.uint8)
    cv2.fillPoly(cover, [np.round(corners * finer).astype(np.int32)], 255)
    alpha = cv2.resize(cover, (side, side), interpolation=cv2.INTER_AREA)[..., None] / 255.0
    picture = (ground * (1 - alpha) + np.array(RGB[colour]) * alpha + 0.5).astype(np.uint8)
    low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int)
    return colour, (int(low[0]), int(low[1]), int(high[0]), int(high[1])), angle, picture[None]
