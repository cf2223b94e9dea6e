"""RefCOCO, RefCOCO+ and RefCOCOg: a phrase → its object in a picture, as a box or as a mask.

One question for each sentence, as the published scores count them. Files as refer.py of lichengunc/refer reads them.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import (
    Item,
    Source,
    as_list,
    as_mapping,
    box_1000,
    each,
    find,
    get,
    image_size,
    load_json,
    make,
    numbers,
    under,
)
from onethinker.data.sources.pickles import load_plain_pickle
from onethinker.data.sources.shapes import coco_mask, prompts_of
from onethinker.measure import masks
from onethinker.sample import DataError, Sample

LAYOUT = """\
{folder}/refs({by}).p     phrases with their split (REFER's own files)
{folder}/instances.json    COCO annotations
images/mscoco/images/train2014/COCO_train2014_….jpg    COCO's pictures; train2014/ and
                                                       images/train2014/ serve too"""

IMAGES = ("images/mscoco/images/train2014", "train2014", "images/train2014")
_SETS = {
    "refcoco": ("unc", ("val", "testA", "testB", "train")),
    "refcoco+": ("unc", ("val", "testA", "testB", "train")),
    "refcocog": ("umd", ("val", "test", "train")),
}


def samples(root: Path, split: str, folder: str, task: str) -> Iterator[Item]:
    """A question a sentence, in the file's order."""
    images = find(root, IMAGES)
    refs, instances = _refs_file(root, folder), root / folder / "instances.json"
    loaded = as_mapping(load_json(instances), str(instances))
    pictures = _by_id(loaded, "images", instances)
    annotations = _by_id(loaded, "annotations", instances)
    for at, ref in enumerate(as_list(load_plain_pickle(refs), str(refs))):
        where = f"{refs}, entry {at}"

        def of_ref(ref: Any = ref, where: str = where) -> Iterator[Sample]:
            if get(ref, "split", where, str) != split:
                return
            picture = _one(pictures, get(ref, "image_id", where, int), "picture", where)
            annotation = _one(annotations, get(ref, "ann_id", where, int), "annotation", where)
            yield from _of_ref(root, images, ref, picture, annotation, where, folder, task)

        yield from each(where, of_ref)


def _of_ref(
    root: Path, images: str, ref: Any, picture: Any, annotation: Any, where: str, folder: str, task: str
) -> Iterator[Sample]:
    size = image_size(get(picture, "width", where), get(picture, "height", where), where)
    name = under(root, f"{images}/{get(picture, 'file_name', where, str)}", where)
    truth, meta = _box(annotation, size, where) if task == "spatial_grounding" else _mask(annotation, size, where)
    for sentence in get(ref, "sentences", where, list):
        yield make(
            where,
            id=f"{get(ref, 'ref_id', where, int)}-{get(sentence, 'sent_id', where, int)}",
            task=task,
            modality="image",
            question=get(sentence, "sent", where, str),
            truth=truth,
            media=(name,),
            source=folder,
            meta={"resolution": {"width": size[0], "height": size[1]}} | meta,
        )


def _refs_file(root: Path, folder: str) -> Path:
    return root / folder / f"refs({_SETS[folder][0]}).p"


def _by_id(loaded: Any, key: str, file: Path) -> dict[int, Any]:
    rows = get(loaded, key, str(file), list)
    return {get(row, "id", f"{file}, {key} entry {at}", int): row for at, row in enumerate(rows)}


def _one(rows: dict[int, Any], wanted: int, what: str, where: str) -> Any:
    if wanted not in rows:
        raise DataError(f"{where}: {what} {wanted} is not in instances.json; are the two files of one release?")
    return rows[wanted]


def _box(annotation: Any, size: tuple[int, int], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    x, y, w, h = numbers(get(annotation, "bbox", where), 4, where, "bbox")
    return {"boxes": box_1000((x, y, x + w, y + h), size)}, {}


def _mask(annotation: Any, size: tuple[int, int], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    mask = coco_mask(get(annotation, "segmentation", where), size, where)
    return prompts_of(mask, where), {"segmentation": {"segmentation_rle": masks.encode(mask)}}


def _source(folder: str, task: str, suffix: str) -> Source:
    by, splits = _SETS[folder]
    return Source(
        folder + suffix,
        task,
        splits,
        LAYOUT.format(folder=folder, by=by),
        lambda split: (f"{folder}/refs({by}).p", f"{folder}/instances.json", IMAGES),
        partial(samples, folder=folder, task=task),
        licence="annotations: Apache-2.0 (lichengunc/refer); pictures: COCO, Flickr's terms",
        evidence="lichengunc/refer refer.py",
        train="train",
    )


SOURCES = tuple(
    _source(folder, task, suffix)
    for task, suffix in (("spatial_grounding", ""), ("image_segmentation", "-segmentation"))
    for folder in _SETS
)
