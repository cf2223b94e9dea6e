"""Draws the README's picture, an answer of mini-rl a task family, into docs/images: `python docs/pictures.py`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from onethinker import load_model, load_samples
from onethinker.data.worlds import build_world
from onethinker.tasks import get_task

SHOWN = (
    *("spatial_grounding", "image_segmentation", "tracking", "spatial_temporal_grounding"),
    *("temporal_grounding", "video_segmentation", "multiple_choice", "caption"),
)
SIDE, COLUMNS, CAPTION, GAP = 300, 4, 34, 12
FILE = Path(__file__).parent / "images" / "answers.png"


def main() -> None:
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
    rows = -(-len(tiles) // COLUMNS)
    size = COLUMNS * (SIDE + GAP) + GAP, rows * (SIDE + CAPTION + GAP) + GAP
    sheet = Image.new("RGB", size, "white")
    for n, tile in enumerate(tiles):
        sheet.paste(tile, (GAP + n % COLUMNS * (SIDE + GAP), GAP + n // COLUMNS * (SIDE + CAPTION + GAP)))
    FILE.parent.mkdir(exist_ok=True)
    sheet.quantize(128).save(FILE, optimize=True)
    print(f"{FILE}: {len(tiles)} answers")


def _tile(picture: Image.Image, title: str) -> Image.Image:
    scale = SIDE / max(picture.size)
    shown = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    tile = Image.new("RGB", (SIDE, SIDE + CAPTION), "white")
    tile.paste(shown, ((SIDE - shown.width) // 2, CAPTION + (SIDE - shown.height) // 2))
    ImageDraw.Draw(tile).text((2, 8), title, "black", ImageFont.load_default(17))
    return tile


if __name__ == "__main__":
    main()
