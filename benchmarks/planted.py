"""Pictures and clips that all differ, and copies of each: what a search for near duplicates is measured on.

The pictures are hard on purpose: procedural worlds, charts of one layout, pages of one font, textures of one kind,
tiles of one photograph. Each is another picture, and each is copied as data sets and the web copy theirs.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import onethinker.tasks.drawing
from onethinker.data.worlds.build import DRAWERS
from onethinker.data.worlds.render import render
from onethinker.data.worlds.scene import FPS, level_of
from onethinker.media import MediaBudget, open_clip, open_image, write_clip

Picture = Image.Image
Frames = list[np.ndarray]
FONT = Path(onethinker.tasks.drawing.__file__).with_name("fonts") / "DejaVuSans.ttf"
REAL = Path(__file__).parents[2] / "shared" / "real" / "media"
WORDS = [
    "a",
    "an",
    "the",
    "of",
    "in",
    "on",
    "red",
    "blue",
    "cat",
    "tree",
    "house",
    "wind",
    "river",
    "light",
    "market",
    "engine",
    "paper",
    "seven",
    "window",
    "road",
]
PHOTOGRAPHS = (
    *("astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png"),
    *("coins.png", "color.png", "grass.png", "gravel.png", "horse.png", "logo.png", "microaneurysms.png", "moon.png"),
    *("motorcycle_left.png", "page.png", "phantom.png", "rocket.jpg", "text.png"),
)
TILED = ("hubble_deep_field.jpg", "retina.jpg", "ihc.png")


# ---- pictures that differ ---------------------------------------------------------------------------------------


def photographs() -> Iterator[tuple[str, Picture]]:
    """scikit-image's own, tiles of its larger ones, and those of ../shared/real where they are there."""
    import skimage.data

    home = Path(skimage.data.__file__).parent
    for name in PHOTOGRAPHS:
        yield Path(name).stem, open_image(home / name, 512 * 512)
    for name in TILED:
        whole = open_image(home / name)
        width, height = whole.width // 3, whole.height // 3
        for n in range(9):
            left, top = n % 3 * width, n // 3 * height
            yield f"{Path(name).stem}-{n}", whole.crop((left, top, left + width, top + height))
    for file in sorted(REAL.glob("*.[jp][pn]g")):
        yield file.stem, open_image(file, 512 * 512)


def some_photographs(share: float) -> Iterator[tuple[str, Picture]]:
    return islice(photographs(), None, None, max(1, round(1 / share)))


def worlds(count: int) -> Iterator[tuple[str, Picture]]:
    """Scenes of all kinds, 128 pixels wide, plain and cluttered in turn."""
    kinds = [kind for kind in DRAWERS if kind not in ("clip", "pair")]
    for n in range(count):
        rng = random.Random(f"world {n}")
        scene = DRAWERS[kinds[n % len(kinds)]](rng, level_of(3 if n % 2 else 1))[0]
        yield f"world-{n}", Image.fromarray(render(scene)[0])


def textures(count: int) -> Iterator[tuple[str, Picture]]:
    """Fractal noise in two colours with soft discs: what a photograph without things looks like."""
    for n in range(count):
        rng = np.random.default_rng(n)
        height, width = rng.integers(240, 480, 2)
        noise = np.zeros((height, width), np.float32)
        for octave in range(2, 8):
            grid = rng.normal(size=(2**octave, 2**octave)).astype(np.float32)
            noise += cv2.resize(grid, (int(width), int(height)), interpolation=cv2.INTER_CUBIC) / 1.7**octave
        noise = (noise - noise.min()) / np.ptp(noise)
        low, high = rng.integers(0, 256, (2, 3))
        pixels = (low + (high - low) * noise[..., None]).astype(np.uint8)
        for _ in range(rng.integers(0, 4)):
            centre = int(rng.integers(0, width)), int(rng.integers(0, height))
            cv2.circle(pixels, centre, int(rng.integers(15, 80)), rng.integers(0, 256, 3).tolist(), -1, cv2.LINE_AA)
        yield f"texture-{n}", Image.fromarray(cv2.GaussianBlur(pixels, (5, 5), 0))


def charts(count: int) -> Iterator[tuple[str, Picture]]:
    """Bar charts of one layout and colour, with other heights."""
    for n in range(count):
        rng = random.Random(f"chart {n}")
        picture = Image.new("RGB", (400, 300), "white")
        draw = ImageDraw.Draw(picture)
        font = ImageFont.truetype(FONT, 14)
        draw.line((40, 20, 40, 260, 380, 260), fill="black", width=2)
        draw.text((140, 2), "Output by year", fill="black", font=font)
        for bar in range(6):
            left = 60 + bar * 53
            draw.rectangle((left, 260 - rng.randint(10, 220), left + 32, 259), fill="#0072b2")
            draw.text((left, 266), str(2010 + bar), fill="black", font=font)
        yield f"chart-{n}", picture


def pages(count: int) -> Iterator[tuple[str, Picture]]:
    """Lines of words, black on white, of one font and size."""
    for n in range(count):
        rng = random.Random(f"page {n}")
        picture = Image.new("RGB", (360, 240), "white")
        font = ImageFont.truetype(FONT, 20)
        for line in range(8):
            ImageDraw.Draw(picture).text((16, 12 + 27 * line), " ".join(rng.choices(WORDS, k=5)), "black", font)
        yield f"page-{n}", picture


def pictures(share: float = 1.0) -> Iterator[tuple[str, Picture]]:
    """All of them, or a share."""
    yield from some_photographs(share)
    for make, count in ((worlds, 120), (textures, 60), (charts, 30), (pages, 30)):
        yield from make(max(1, round(count * share)))


# ---- copies of pictures -----------------------------------------------------------------------------------------


def re_encoded(picture: Picture, rng: random.Random) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=rng.randint(30, 70))
    return Image.open(file).convert("RGB")


def resized(picture: Picture, rng: random.Random) -> Picture:
    scale = rng.choice((0.5, 0.6, 0.75, 1.3, 2.0))
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)


def cropped(picture: Picture, rng: random.Random) -> Picture:
    """Nine tenths of its width and of its height, anywhere."""
    width, height = round(picture.width * 0.9), round(picture.height * 0.9)
    left, top = rng.randint(0, picture.width - width), rng.randint(0, picture.height - height)
    return picture.crop((left, top, left + width, top + height))


def letter_boxed(picture: Picture, rng: random.Random) -> Picture:
    width, height = picture.size
    bar = rng.uniform(0.1, 0.3)
    across, down = (round(bar * width), 0) if rng.random() < 0.5 else (0, round(bar * height))
    boxed = Image.new("RGB", (width + 2 * across, height + 2 * down), "black")
    boxed.paste(picture, (across, down))
    return boxed


def watermarked(picture: Picture, rng: random.Random) -> Picture:
    """Half transparent words across a lower corner or the middle."""
    layer = Image.new("RGBA", picture.size)
    font = ImageFont.truetype(FONT, max(9, round(picture.height * 0.08)))
    draw = ImageDraw.Draw(layer)
    words = rng.choice(("stock photo", "© example.org", "SAMPLE"))
    length = draw.textlength(words, font)
    place = rng.choice(
        (
            (picture.width - length - 4, picture.height * 0.88),
            ((picture.width - length) / 2, picture.height * 0.45),
            (4, 4),
        )
    )
    ink = rng.choice(((255, 255, 255), (128, 128, 128), (0, 0, 0)))
    draw.text(place, words, (*ink, 140), font)
    return Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB")


COPIES: dict[str, Callable[[Picture, random.Random], Picture]] = {
    "re-encoded": re_encoded,
    "resized": resized,
    "cropped by 10%": cropped,
    "letter-boxed": letter_boxed,
    "watermarked": watermarked,
}


# ---- clips that differ, and their copies ------------------------------------------------------------------------


@dataclass(frozen=True)
class Film:
    """Frames (H, W, 3) and how many are shown in a second."""

    frames: Frames
    fps: float


def films(share: float = 1.0) -> Iterator[tuple[str, Film]]:
    """Scenes of worlds, moves over photographs, and the clips of ../shared/real where they are there; or a share."""
    for n in range(max(1, round(60 * share))):
        rng = random.Random(f"film {n}")
        yield f"world-{n}", Film(list(render(DRAWERS["clip"](rng, level_of(3 if n % 2 else 1))[0])), FPS)
    for name, picture in some_photographs(share):
        if min(picture.size) >= 200:
            yield f"pan-{name}", _pan(picture, random.Random(name))
    for file in sorted(REAL.glob("*.mp4")):
        clip = open_clip(file, MediaBudget(frame_pixels=320 * 240, fps=12, max_frames=96))
        yield file.stem, Film(list(clip.frames), 12)


def _pan(picture: Picture, rng: random.Random) -> Film:
    """A camera that moves over a photograph for six seconds."""
    width, height = picture.width * 0.6, picture.height * 0.6
    ends = [(rng.uniform(0, 0.4), rng.uniform(0, 0.4)) for _ in range(2)]
    frames = []
    for at in np.linspace(0, 1, 72):
        left, top = ((1 - at) * np.array(ends[0]) + at * np.array(ends[1])) * picture.size
        shown = picture.resize((192, 144), Image.Resampling.BILINEAR, (left, top, left + width, top + height))
        frames.append(np.asarray(shown))
    return Film(frames, 12)


def trimmed(film: Film, rng: random.Random) -> Film:
    """Without up to a quarter of its frames at the start and at the end."""
    start, end = (round(rng.uniform(0.05, 0.25) * len(film.frames)) for _ in range(2))
    return Film(film.frames[start : len(film.frames) - end], film.fps)


def another_rate(film: Film, rng: random.Random) -> Film:
    fps = film.fps * rng.choice((0.5, 0.7, 1.5))
    duration = len(film.frames) / film.fps
    times = np.arange(0, duration, 1 / fps)
    return Film([film.frames[min(int(t * film.fps), len(film.frames) - 1)] for t in times], fps)


def another_size(film: Film, rng: random.Random) -> Film:
    height, width = film.frames[0].shape[:2]
    scale = rng.choice((0.5, 0.75, 1.5))
    size = round(width * scale / 2) * 2, round(height * scale / 2) * 2
    return Film([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in film.frames], film.fps)


FILM_COPIES: dict[str, Callable[[Film, random.Random], Film]] = {
    "trimmed": trimmed,
    "another frame rate": another_rate,
    "another resolution": another_size,
}


@dataclass(frozen=True, slots=True)
class Planted:
    """A file. origin: the picture or clip that it shows. kind: of the copy, empty for the original itself."""

    file: Path
    origin: str
    kind: str


def plant_pictures(folder: Path, share: float = 1.0) -> list[Planted]:
    """Write each picture as PNG and a copy of each kind, as JPEG or PNG in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    planted = []
    for number, (name, picture) in enumerate(pictures(share)):
        picture.save(folder / f"{name}.png")
        planted.append(Planted(folder / f"{name}.png", name, ""))
        for at, (kind, copy) in enumerate(COPIES.items()):
            rng = random.Random(f"{name} {kind}")
            file = folder / f"{name}~{at}.{'jpg' if (number + at) % 2 or not at else 'png'}"
            copy(picture, rng).save(file, quality=85)
            planted.append(Planted(file, name, kind))
    return planted


def plant_films(folder: Path, share: float = 1.0) -> list[Planted]:
    """Write each clip as MP4 and a copy of each kind."""
    folder.mkdir(parents=True, exist_ok=True)
    planted = []
    for name, film in films(share):
        makers: dict[str, Callable[[Film, random.Random], Film]] = {"": lambda same, rng: same, **FILM_COPIES}
        for at, (kind, copy) in enumerate(makers.items()):
            made = copy(film, random.Random(f"{name} {kind}"))
            file = folder / f"{name}~{at}.mp4"
            write_clip(file, made.frames, made.fps)
            planted.append(Planted(file, name, kind))
    return planted
