"""HC-STVG (Tang et al. 2021) and VidSTG (Zhang et al. 2020): when in a clip a sentence happens, and where.

The truth has a box for each whole second of the span, that of the frame then shown; a span without a whole second in it
has one box, at the second nearest to its middle. Files and frames as preproc/ and datasets/ of antoyang/TubeDETR read
them; VidSTG's fields by its repository's README. HC-STVG numbers frames from 1 (`st_frame`: "starts with 1" in
preproc/preproc_hcstvg.py and preproc_hcstvgv2.py): number n is on screen at (n − 1) / fps. TubeDETR's own loader then
takes the number for a place that counts from 0, one frame later; the annotation is followed here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from onethinker.data.sources.base import (
    Item,
    Place,
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
    number,
    numbers,
    show,
    span_of,
)
from onethinker.data.sources.clips import cut_clip, file_in
from onethinker.sample import DataError, Sample

MAX_SECONDS = 3600

Tracks = dict[int, dict[int, list[float]]]
"""Object → frame → corners in pixels."""

# ---- HC-STVG ----------------------------------------------------------------------------------------------------

HC_SECONDS = 20.0
"""Every clip is that long; its frame rate is img_num / 20, as TubeDETR reads it."""

HC = """\
{files}   CLIP.mp4 → {{{fields}, st_frame, st_time, ed_time, img_num, bbox}}, boxes
                                  x, y, width, height in pixels from st_frame on, the first frame is 1 (the layout of
                                  TubeDETR's README)
video/FOLDER/CLIP.mp4             the clips as unpacked; video/CLIP.mp4 serves too"""

_HC_FILES: dict[tuple[str, str], Place] = {
    ("hc-stvg", "test"): "test.json",
    ("hc-stvg", "train"): "train.json",
    ("hc-stvg2", "val"): ("valv2.json", "val_v2.json"),
    ("hc-stvg2", "train"): ("trainv2.json", "train_v2.json"),
}


def hc_samples(root: Path, split: str, name: str) -> Iterator[Item]:
    """A question a clip, in the file's order."""
    file = root / find(root, _HC_FILES[name, split])
    for at, (clip, entry) in enumerate(as_mapping(load_json(file), str(file)).items()):
        where = f"{file}, clip {show(clip)}"
        yield from each(where, _hc_sample, root, clip, entry, where, f"{split}-{at}", name)


def _hc_sample(root: Path, clip: str, entry: Any, where: str, id: str, name: str) -> Sample:
    sentence = get(entry, "caption" if name == "hc-stvg" else "English", where, str)
    sides = numbers(entry["img_size"], 2, where, "img_size")[::-1] if "img_size" in entry else None
    width, height = sides or (get(entry, "width", where, int), get(entry, "height", where, int))
    size = image_size(int(width), int(height), where)
    fps = get(entry, "img_num", where, int) / HC_SECONDS
    first, boxes = get(entry, "st_frame", where, int), get(entry, "bbox", where, list)
    span = span_of(get(entry, "st_time", where), get(entry, "ed_time", where), where)
    track = {first - 1 + k: _corners(box, where) for k, box in enumerate(boxes)}
    return tube(
        where,
        span,
        track,
        fps,
        size,
        id=id,
        question=sentence.strip(),
        media=(file_in(root, ("video",), clip, where),),
        source=name,
    )


def _corners(box: Any, where: str) -> tuple[float, float, float, float]:
    x, y, w, h = numbers(box, 4, where, "a box")
    return x, y, x + w, y + h


# ---- VidSTG -----------------------------------------------------------------------------------------------------

VIDSTG = """\
test_annotations.json, val_annotations.json, train_annotations.json   VidSTG's own; annotations/… as in its repository
annotation/validation/FOLDER/VIDEO.json, annotation/training/…        VidOR's, where VidVRD-helper has them (test is of
                                                                      validation); or validation/…, training/… as the
                                                                      archives unpack, where TubeDETR reads them
video/FOLDER/VIDEO.mp4                                                VidOR's clips
A question is asked of the stretch `used_segment` of its video, which is cut once, as TubeDETR cuts it."""

_VIDEOS = ("video", "videos")


def _vidstg_places(split: str) -> tuple[Place, Place, Place]:
    part = "validation" if split == "test" else "training"
    folders = tuple(f"{above}{part}" for above in ("annotation/", "", "annotations/"))
    return (f"{split}_annotations.json", f"annotations/{split}_annotations.json"), folders, _VIDEOS


def vidstg_samples(root: Path, split: str) -> Iterator[Item]:
    """Declarative sentences (`captions`) and questions of each row, in the file's order; meta's `kind` says which."""
    file, annotations, _ = (root / find(root, place) for place in _vidstg_places(split))
    homes = {path.stem: path for path in annotations.glob("*/*.json")}
    trajectories = lru_cache(maxsize=2)(_trajectories)
    for at, row in enumerate(as_list(load_json(file), str(file))):
        where = f"{file}, entry {at}"

        def of_row(at: int = at, row: Any = row, where: str = where) -> Iterator[Item]:
            video = get(row, "vid", where, str)
            if video not in homes:
                raise DataError(f"{where}: no annotation of video {show(video)} in {annotations}; is VidOR's complete?")
            for kind in ("captions", "questions"):
                for place, query in enumerate(get(row, kind, where, list)):
                    tracks, id = trajectories(homes[video]), f"{at}-{kind[0]}{place}"
                    yield from each(where, _vidstg_sample, root, where, homes[video], tracks, row, query, id, kind)

        yield from each(where, of_row)


def _vidstg_sample(
    root: Path, where: str, vidor: Path, tracks: Tracks, row: Any, query: Any, id: str, kind: str
) -> Sample:
    """Frames are counted from the start of the used stretch; a span ends where the frame `end_fid` begins."""
    fps = number(get(row, "fps", where), where, "fps")
    size = image_size(get(row, "width", where), get(row, "height", where), where)
    (start, stop), (begin, end) = (
        [get(get(row, key, where), bound, where, int) for bound in ("begin_fid", "end_fid")]
        for key in ("used_segment", "temporal_gt")
    )
    if not (0 < fps <= 1000 and 0 <= start <= begin < end <= stop + 1):
        raise DataError(f"{where}: frames {begin} to {end} of {start} to {stop} at {fps} a second make no moment")
    target = get(query, "target_id", where, int)
    track = {frame - start: box for frame, box in tracks.get(target, {}).items() if begin <= frame < end}
    folder = find(root, _VIDEOS)
    source = file_in(root, (f"{folder}/{vidor.parent.name}", folder), f"{vidor.stem}.mp4", where)
    return tube(
        where,
        [(begin - start) / fps, (end - start) / fps],
        track,
        fps,
        size,
        id=id,
        question=get(query, "description", where, str).strip(),
        media=(cut_clip(root, f"vidstg/{vidor.stem}-{start}-{stop}", source, start / fps, stop / fps, where),),
        source="vidstg",
        meta={"kind": "declarative" if kind == "captions" else "interrogative"},
    )


def _trajectories(file: Path) -> Tracks:
    """Those of a VidOR annotation."""
    tracks: Tracks = {}
    for frame, boxes in enumerate(get(load_json(file), "trajectories", str(file), list)):
        where = f"{file}, frame {frame}"
        for box in as_list(boxes, where):
            corners = [get(get(box, "bbox", where), side, where) for side in ("xmin", "ymin", "xmax", "ymax")]
            tracks.setdefault(get(box, "tid", where, int), {})[frame] = numbers(corners, 4, where, "a box")
    return tracks


# ---- both -------------------------------------------------------------------------------------------------------


def tube(
    where: str,
    span: Sequence[float],
    track: Mapping[int, Sequence[float]],
    fps: float,
    size: tuple[int, int],
    meta: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Sample:
    """A question of a moment and a box a second. track: frame → corners in pixels; the nearest frame that has a box
    stands for a second whose own has none."""
    if not track or not fps > 0:
        raise DataError(f"{where}: {len(track)} boxes at {fps} frames a second; expected some of both")
    if not 0 <= span[0] <= span[1] <= MAX_SECONDS:
        raise DataError(f"{where}: a moment of {span} seconds; expected one within {MAX_SECONDS:,} s")
    seconds = list(range(math.ceil(span[0]), math.floor(span[1]) + 1)) or [round(sum(span) / 2)]
    boxes = {}
    for second in seconds:
        frame = round(second * fps)
        nearest = frame if frame in track else min(track, key=lambda k: (abs(k - frame), k))
        boxes[str(second)] = box_1000(track[nearest], size)
    return make(
        where,
        task="spatial_temporal_grounding",
        modality="video",
        truth={"time": [round(s, 3) for s in span], "boxes": boxes},
        meta={"resolution": {"width": size[0], "height": size[1]}} | dict(meta or {}),
        **fields,
    )


def _hc(name: str, fields: str) -> Source:
    splits = tuple(split for each, split in _HC_FILES if each == name)
    places = (_HC_FILES[name, split] for split in splits)
    names = (place if isinstance(place, str) else " or ".join(place) for place in places)
    layout = HC.format(files=" | ".join(names), fields=fields)
    return Source(
        name,
        "spatial_temporal_grounding",
        splits,
        layout,
        lambda split: (_HC_FILES[name, split], "video"),
        partial(hc_samples, name=name),
        licence="research alone (tzhhhh123/HC-STVG)",
        evidence="antoyang/TubeDETR preproc/ and datasets/",
        train="train",
    )


SOURCES = (
    _hc("hc-stvg", "caption, width, height"),
    _hc("hc-stvg2", "English, img_size"),
    Source(
        "vidstg",
        "spatial_temporal_grounding",
        ("test", "val", "train"),
        VIDSTG,
        _vidstg_places,
        vidstg_samples,
        licence="not stated (Guaranteer/VidSTG-Dataset); VidOR's clips are YFCC100M's, Creative Commons",
        evidence="antoyang/TubeDETR preproc/ and datasets/; Guaranteer/VidSTG-Dataset README",
        train="train",
    ),
)
