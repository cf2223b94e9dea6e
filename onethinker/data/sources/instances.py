"""All objects of a picture, points on things, where to click on a screen, and instructions that can be checked: COCO,
PixMo-Points-Eval, ScreenSpot, IFEval.

COCO has no questions: each picture is asked for every class that it has, in the order of the set's categories, as the
labels of `detection`. Crowds, which COCO's tool ignores, are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from onethinker.data.sources.base import (
    Item,
    LeftOut,
    Source,
    as_list,
    as_mapping,
    box_1000,
    each,
    get,
    image_size,
    load_json,
    make,
    numbers,
    text_lines,
    under,
)
from onethinker.data.sources.tabular import table_rows
from onethinker.measure.masks import encode
from onethinker.media import MediaError, probe
from onethinker.sample import DataError, Sample

MAX_MASK = 50_000_000
"""Pixels of a mask."""

# ---- COCO -------------------------------------------------------------------------------------------------------

_COCO = """\
annotations/instances_{split}.json    COCO annotations
{split}/000000000139.jpg …            its pictures"""


def coco(root: Path, split: str) -> Iterator[Item]:
    """A question a picture, in the file's order."""
    file = root / "annotations" / f"instances_{split}.json"
    loaded = as_mapping(load_json(file), str(file))
    classes = {get(c, "id", str(file), int): get(c, "name", str(file), str)
               for c in get(loaded, "categories", str(file), list)}  # fmt: skip
    of_picture: dict[int, list[Any]] = {}
    for at, one in enumerate(get(loaded, "annotations", str(file), list)):
        of_picture.setdefault(get(one, "image_id", f"{file}, annotation {at}", int), []).append(one)
    for at, picture in enumerate(get(loaded, "images", str(file), list)):
        where = f"{file}, picture {at}"
        yield from each(where, _of_picture, root, split, picture, of_picture, classes, where)


def _of_picture(
    root: Path, split: str, picture: Any, of_picture: dict[int, list[Any]], classes: dict[int, str], where: str
) -> Sample | LeftOut:
    number = get(picture, "id", where, int)
    size = image_size(get(picture, "width", where), get(picture, "height", where), where)
    there: dict[int, list[list[float]]] = {}
    for one in of_picture.get(number, ()):
        if get(one, "iscrowd", where, int):
            continue
        x, y, w, h = numbers(get(one, "bbox", where), 4, where, "bbox")
        there.setdefault(get(one, "category_id", where, int), []).append(box_1000((x, y, x + w, y + h), size))
    if not there:
        return LeftOut(where, "it has no object that is no crowd", fault=False)
    if unknown := there.keys() - classes.keys():
        raise DataError(f"{where}: category {min(unknown)} is not among the file's categories")
    asked = [(classes[key], there[key]) for key in classes if key in there]
    return make(
        where,
        id=str(number),
        task="detection",
        modality="image",
        question=f"all of these: {', '.join(name for name, _ in asked)}",
        truth={"objects": [{"label": name, "box": box} for name, boxes in asked for box in boxes]},
        media=(under(root, f"{split}/{get(picture, 'file_name', where, str)}", where),),
        source="coco",
        meta={"resolution": {"width": size[0], "height": size[1]}},
    )


# ---- ScreenSpot -------------------------------------------------------------------------------------------------

_SCREENS = """\
screenspot_{split}.json    one entry an instruction: img_filename, bbox [x, y, width, height] in pixels, instruction
screenspot_imgs/           the screenshots"""


def screenspot(root: Path, split: str) -> Iterator[Item]:
    """A question an instruction, in the file's order."""
    file = root / f"screenspot_{split}.json"
    for at, row in enumerate(as_list(load_json(file), str(file))):
        where = f"{file}, entry {at}"
        yield from each(where, _of_screen, root, split, row, at, where)


def _of_screen(root: Path, split: str, row: Any, at: int, where: str) -> Sample | LeftOut:
    name = under(root, f"screenspot_imgs/{get(row, 'img_filename', where, str)}", where)
    if not (root / name).is_file():
        return LeftOut(where, f"its screenshot {name} is not there, whose size its box needs")
    try:
        found = probe(root / name)
    except MediaError as error:
        raise DataError(f"{where}: {error}") from error
    x, y, w, h = numbers(get(row, "bbox", where), 4, where, "bbox")
    box = box_1000((x, y, x + w, y + h), (found.width, found.height))
    return make(
        where,
        id=f"{split}-{at}",
        task="pointing",
        modality="image",
        question=f"where to click: {get(row, 'instruction', where, str)}",
        truth={"points": [[(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]], "boxes": [box]},
        media=(name,),
        source="screenspot",
        meta={key: row[key] for key in ("data_type", "data_source") if isinstance(row.get(key), str)},
    )


# ---- IFEval -----------------------------------------------------------------------------------------------------

_IFEVAL = """\
data/input_data.jsonl    one row a prompt: key, prompt, instruction_id_list, kwargs"""


def ifeval(root: Path, split: str) -> Iterator[Item]:
    """A question a prompt, in the file's order."""
    for where, line in text_lines(root / "data" / "input_data.jsonl"):
        yield from each(where, _of_prompt, line, where)


def _of_prompt(line: str, where: str) -> Sample:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    return make(
        where,
        id=str(get(row, "key", where, int)),
        task="instruction_following",
        modality="text",
        question=get(row, "prompt", where, str),
        truth={key: get(row, key, where, list) for key in ("instruction_id_list", "kwargs")},
        source="ifeval",
    )


# ---- PixMo-Points ------------------------------------------------------------------------------------------------

_PIXMO = """\
data/test-*.parquet          rows of image_url, image_sha256, label, points {x, y} in percent, masks (n, H, W)
pixmo_images/SHA256          the pictures, each named by the SHA-256 of its address, as Molmo's loader keeps them"""


def pixmo_points(root: Path, split: str) -> Iterator[Item]:
    """A question a row, in the file's order. PixMo-Points itself, its training rows, has no region for a point to be
    in, so that they cannot be scored; its evaluation's have masks."""
    for at, (where, row) in enumerate(table_rows(root, (f"data/{split}-*.parquet", f"{split}-*.parquet"))):
        yield from each(where, _of_points, root, split, row, at, where)


def _of_points(root: Path, split: str, row: Any, at: int, where: str) -> Sample | LeftOut:
    if isinstance(row, DataError):
        raise row
    address = hashlib.sha256(get(row, "image_url", where, str).encode()).hexdigest()
    name = under(root, f"pixmo_images/{address}", where)
    if not (root / name).is_file():
        return LeftOut(where, f"its picture {name} is not there")
    points = [
        numbers([get(one, axis, where) for axis in "xy"], 2, where, "points") for one in get(row, "points", where, list)
    ]
    masks = [_mask(mask, where) for mask in get(row, "masks", where, list)]
    if len(masks) != len(points):
        return LeftOut(where, f"{len(points)} points and {len(masks)} masks")
    label = get(row, "label", where, str)
    return make(
        where,
        id=f"{split}-{at}",
        task="pointing",
        modality="image",
        question=f"all of these: {label}",
        truth={"points": [[min(max(10 * value, 0.0), 1000.0) for value in point] for point in points]},
        media=(name,),
        source="pixmo-points-eval",
        meta={"masks": masks, "phrase": label},
    )


def _mask(found: Any, where: str) -> dict[str, Any]:
    """A list of rows of true and false as run lengths. Raises DataError."""
    try:
        mask = np.asarray(found)
        if mask.dtype != bool or mask.ndim != 2 or not 0 < mask.size <= MAX_MASK:
            raise ValueError(f"shape {mask.shape}, {mask.dtype}")
        return encode(mask)
    except ValueError as error:
        raise DataError(f"{where}: masks: expected (n, H, W) of true and false ({error})") from error


SOURCES = (
    Source(
        "coco", "detection", ("val2017", "train2017"), _COCO.format(split="val2017"),
        lambda split: (f"annotations/instances_{split}.json", split), coco,
        licence="annotations CC BY 4.0; the pictures under their own licences (cocodataset.org, terms of use)",
        evidence="pycocotools/coco.py of cocodataset/cocoapi", train="train2017",
    ),
    Source(
        "screenspot", "pointing", ("mobile", "desktop", "web"), _SCREENS.format(split="web"),
        lambda split: (f"screenspot_{split}.json", "screenspot_imgs"), screenspot,
        licence="none found on its repository; ask its authors before you use it",
        evidence="pretrain/screenspot_test.py of njucckevin/SeeClick",
    ),
    Source(
        "pixmo-points-eval", "pointing", ("test",), _PIXMO,
        lambda split: ((f"data/{split}-*.parquet", f"{split}-*.parquet"), "pixmo_images"), pixmo_points,
        licence="ODC-BY 1.0 (its card); the pictures are their owners'",
        evidence="PixMoPointsEval in pixmo_datasets.py of allenai/molmo, the card of allenai/pixmo-points-eval",
    ),
    Source(
        "ifeval", "instruction_following", ("test",), _IFEVAL,
        lambda split: ("data/input_data.jsonl",), ifeval,
        licence="Apache-2.0 (its repository)",
        evidence="evaluation_lib.py of google-research/instruction_following_eval",
    ),
)  # fmt: skip
