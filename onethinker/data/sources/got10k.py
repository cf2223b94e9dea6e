"""GOT-10k: follow an object through a clip from its box in the first frame (Huang et al. 2019)."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import (
    Item,
    Source,
    bounded,
    box_1000,
    each,
    image_size,
    make,
    numbers,
    text_lines,
    under,
)
from onethinker.data.sources.clips import frames_clip, shown_size
from onethinker.data.sources.tracks import track_keys
from onethinker.sample import DataError, Sample

LAYOUT = """\
val/list.txt, train/list.txt         names of the sequences (the GOT-10k toolkit's layout)
val/GOT-10k_Val_000001/00000001.jpg  frames, 10 a second
    groundtruth.txt                  a line `x,y,width,height` a frame, pixels
    cover.label                      a line a frame, how much of the object is seen, 0 (nothing) to 8
    meta_info.ini                    [METAINFO] with `resolution: (width, height)`
The truth of test/ is with the data set's server, so that there is nothing to score it with here."""

FPS = 10.0


def samples(root: Path, split: str) -> Iterator[Item]:
    for where, name in text_lines(root / split / "list.txt"):
        yield from each(where, _sample, root, f"{split}/{name}", where)


def _sample(root: Path, folder: str, listed: str) -> Sample:
    """Key k is the frame at k − 1 seconds, and is not there where nothing of the object is: its cover is 0, its box
    `0,0,0,0`. The metric sees every frame: meta's `frame_boxes`, 0–1000, and `cover`, by which it leaves such frames
    out as the toolkit's report does (got10k/experiments/got10k.py)."""
    under(root, folder, listed)
    truth, where = root / folder / "groundtruth.txt", str(root / folder)
    pixels = [_xywh(line, at) for at, line in text_lines(truth)]
    cover = [_cover(line, at) for at, line in text_lines(root / folder / "cover.label")]
    if not pixels or len(cover) != len(pixels):
        raise DataError(f"{truth}: {len(pixels)} boxes for {len(cover)} lines of cover.label; expected a line a frame")
    width, height = size = _resolution(root / folder / "meta_info.ini")
    names = [f"{number:08d}.jpg" for number in range(1, len(pixels) + 1)]
    media = frames_clip(root, f"got-10k/{folder}", folder, names, size, FPS, where)
    boxes = [box_1000((x, y, x + w, y + h), shown_size(*size)) for x, y, w, h in pixels]
    seen = [w > 0 and h > 0 and c > 0 for (_, _, w, h), c in zip(pixels, cover)]
    if not seen[0]:
        raise DataError(f"{truth}: nothing of the object in the first frame, whose box the question gives")
    keys = track_keys([box if s else None for box, s in zip(boxes, seen)], (1000, 1000), FPS)
    return make(
        where,
        id=Path(folder).name,
        task="tracking",
        modality="video",
        question=f"In the first frame the object is in the box {[round(v) for v in boxes[0]]}. "
        "Follow this object through the clip.",
        truth={"boxes": keys},
        media=(media,),
        source="got-10k",
        meta={"resolution": {"width": width, "height": height}, "fps": FPS, "frame_boxes": boxes, "cover": cover},
    )


def _xywh(line: str, where: str) -> list[float]:
    return numbers(re.split(r"[,\s]+", line), 4, where, "the box")


def _cover(line: str, where: str) -> int:
    if line not in tuple("012345678"):
        raise DataError(f"{where}: cover {line!r:.20}; expected a whole number from 0 to 8")
    return int(line)


def _resolution(file: Path) -> tuple[int, int]:
    """Width and height in pixels."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(bounded(file, 1 << 20).read_text(encoding="utf-8"))
        found: Any = re.fullmatch(r"\((\d{1,5}), ?(\d{1,5})\)", parser["METAINFO"]["resolution"])
    except (configparser.Error, KeyError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: no [METAINFO] with a resolution in it ({error})") from error
    if found is None:
        raise DataError(f"{file}: resolution {parser['METAINFO']['resolution']!r:.40}; expected `(width, height)`")
    return image_size(int(found[1]), int(found[2]), str(file))


SOURCE = Source(
    "got-10k",
    "tracking",
    ("val", "train"),
    LAYOUT,
    lambda split: (split, f"{split}/list.txt"),
    samples,
    licence="CC-BY-NC-SA-4.0 (its site)",
    evidence="got-10k/toolkit got10k/datasets/got10k.py",
    train="train",
)
