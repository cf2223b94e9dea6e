"""All objects of a picture, where to click on a screen, and instructions that can be checked: COCO, ScreenSpot, IFEval.

COCO has no questions: each picture is asked for every class that it has, in the order of the set's categories, as the
labels of `detection`. Crowds, which COCO's tool ignores, are left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from onethinker.media import MediaError, probe
from onethinker.sample import DataError, Sample

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
        "ifeval", "instruction_following", ("test",), _IFEVAL,
        lambda split: ("data/input_data.jsonl",), ifeval,
        licence="Apache-2.0 (its repository)",
        evidence="evaluation_lib.py of google-research/instruction_following_eval",
    ),
)  # fmt: skip
