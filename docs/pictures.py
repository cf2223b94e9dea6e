"""Draws the README's pictures into docs/images: `python docs/pictures.py`, an answer of mini-rl a task family, and with
`--demo runs/demo` what RL mended in a run of `make demo`."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from onethinker import load_model, load_samples
from onethinker.data.worlds import build_world
from onethinker.media import open_clip, open_image
from onethinker.tasks import get_task

SHOWN = (
    *("spatial_grounding", "image_segmentation", "tracking", "spatial_temporal_grounding"),
    *("temporal_grounding", "video_segmentation", "multiple_choice", "caption"),
)
SIDE, COLUMNS, CAPTION, GAP = 300, 4, 34, 12
MENDED = ("spatial_grounding", "image_segmentation", "tracking", "spatial_temporal_grounding")
IMAGES = Path(__file__).parent / "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--demo", type=Path, help="the folder of a demo that has ended")
    given = parser.parse_args()
    if given.demo:
        _save(_mended(given.demo / "answers"), "demo.png")
    else:
        _save(_answers(), "answers.png")


def _answers() -> list[Image.Image]:
    """The first question of each task that mini-rl answers right, in a world of its own; only the answer is drawn."""
    model, tiles = load_model("mini-rl"), []
    with tempfile.TemporaryDirectory() as folder:
        samples = load_samples(build_world(Path(folder) / "w", 1, seed=7, validation=1, test=78) / "test")
        for task in SHOWN:
            for sample in samples.of_task(task):
                (medium,) = sample.paths(samples.root)
                result = model.ask(medium, sample.question, task=task, options=sample.options)
                if result.ok and get_task(task).score(sample, result.answer).accuracy > 0.8:
                    tiles.append(_tile(result.plot(), get_task(task).title))
                    break
    return tiles


def _mended(pairs: Path) -> list[Image.Image]:
    """The two halves of each of the demo's pairs, after SFT and after RL; of a clip the frame at a whole second, which
    boxes are of, that is nearest to its middle."""
    tiles = []
    for task in MENDED:
        file = pairs / f"{task}.mp4"
        if file.exists():
            clip = open_clip(file)
            middle = round(float(clip.times[len(clip.times) // 2]))
            pair = Image.fromarray(clip.frames[int(np.abs(clip.times - middle).argmin())])
        else:
            pair = open_image(file.with_suffix(".png"))
        half, title = pair.width // 2, get_task(task).title
        tiles.append(_tile(pair.crop((0, 0, half, pair.height)), f"{title}: after SFT"))
        tiles.append(_tile(pair.crop((half, 0, pair.width, pair.height)), "after RL"))
    return tiles


def _save(tiles: Sequence[Image.Image], name: str) -> None:
    rows = -(-len(tiles) // COLUMNS)
    size = COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP
    sheet = Image.new("RGB", size, "white")
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + n % COLUMNS * (SIDE + GAP), GAP + n // COLUMNS * (SIDE + CAPTION + GAP)))
    IMAGES.mkdir(exist_ok=True)
    sheet.quantize(128).save(IMAGES / name, optimize=True)
    print(f"{IMAGES / name}: {len(tiles)} pictures")


def _tile(picture: Image.Image, title: str) -> Image.Image:
    scale = SIDE / max(picture.size)
    shown = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    tile.paste(shown, ((SIDE - shown.width) // 2, CAPTION + (SIDE - shown.height) // 2))
    font = ImageFont.load_default(17)
    left = min((SIDE - shown.width) // 2, SIDE - font.getlength(title))
    ImageDraw.Draw(tile).text((left, 8), title, "black", font)
    return tile


if __name__ == "__main__":
    main()
