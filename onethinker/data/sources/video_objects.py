"""Objects named by a phrase through a clip: MeViS, ReasonVOS, Refer-YouTube-VOS, ReVOS and Ref-DAVIS17.

The frames have no rate in these layouts; they are shown 6 a second, YouTube-VOS's rate (every fifth frame of 30), but
DAVIS's, which are every frame of a clip, 24 a second. Read as the authors' own tools read them: tools/eval_mevis.py and
lmpm/data/datasets/mevis.py of henghuiding/MeViS, evaluation/reason_vos of showlab/VideoLISA. ReVOS as the README of
cilinyan/VISA lays it out and ReVOS_Dataset.py of magic-research/Sa2VA reads it, DAVIS as
tools/data/convert_davis_to_ytvos.py of wjn922/ReferFormer leaves it. Masks keep the frames' own size, also where the
clip is padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from onethinker.data.sources.base import (
    Item,
    LeftOut,
    Source,
    as_list,
    as_mapping,
    each,
    first_there,
    get,
    load_json,
    make,
    number,
    show,
    text_of,
    under,
)
from onethinker.data.sources.clips import frames_clip, shown_size
from onethinker.data.sources.shapes import Mask, index_picture, prompts_of
from onethinker.measure import masks
from onethinker.sample import DataError, Sample

FPS = 6.0

Masks = Callable[[str, Mapping[str, Any], Sequence[str], str], Iterable[Mask | None]]
"""(video, its entry with the expression's, frames, where) → the mask (H, W) of each frame, None where none is given."""


@dataclass(frozen=True, slots=True)
class ObjectSet:
    """A data set of videos with frames and expressions, `{"videos": {VIDEO: {"frames", "expressions"}}}` in `meta`.

    frames: the folder with a folder of JPEGs a video. masks: the file or folder that `masks_in` reads, as (root, place)
    → Masks. phrase: the expression's field. scored_alone: whether the set's tool scores only the frames that have a
    mask; else a frame without one is a frame without the object. An expression whose object is in no frame, as
    ReasonVOS's tool skips and MeViS's second version has, is left out. fps: at which the frames are shown. meta,
    frames, masks may have `{split}` in them.
    """

    name: str
    splits: tuple[str, ...]
    layout: str
    meta: str
    frames: str
    masks: str
    masks_in: Callable[[Path, str], Masks]
    licence: str
    evidence: str
    phrase: str = "exp"
    scored_alone: bool = False
    fps: float = FPS

    def places(self, split: str) -> list[str]:
        return [place.format(split=split) for place in (self.meta, self.frames, self.masks)]

    def samples(self, root: Path, split: str) -> Iterator[Item]:
        """A question for each expression, in the file's order."""
        meta, pictures, masks_place = self.places(split)
        file, masks_of, none = root / meta, self.masks_in(root, masks_place), True
        for video, entry in as_mapping(get(load_json(file), "videos", str(file)), str(file)).items():
            for item in each(
                f"{file}, video {show(video)}", self._of_video, root, pictures, masks_of, video, entry, file
            ):
                none = none and not isinstance(item, Sample)
                yield item
        if none:
            raise DataError(f"{file}: no expression has a mask in {root / masks_place}; is that folder whole?")

    def _of_video(
        self, root: Path, pictures: str, masks_of: Masks, video: str, entry: Any, file: Path
    ) -> Iterator[Item]:
        at = f"{file}, video {show(video)}"
        frames = [str(frame) for frame in get(entry, "frames", at, list)]
        for key, expression in _expressions(entry, at):
            where = f"{at}, expression {show(key)}"
            found = (video, {**entry, **as_mapping(expression, where)}, frames, where)
            yield from each(where, self._sample, root, f"{pictures}/{video}", masks_of, found, key)

    def _sample(
        self, root: Path, folder: str, masks_of: Masks, expression: tuple[str, Any, list[str], str], key: str
    ) -> Item:
        video, fields, frames, where = expression
        found = found_in(masks_of(*expression))
        if not found.best.any():  # of an object that is nowhere no box and no points can be asked for
            return LeftOut(where, "its object is in no frame", fault=False)
        height, width = found.best.shape
        clip = f"{self.name}/{folder}"
        names = [f"{frame}.jpg" for frame in frames]
        return object_sample(
            where,
            frames,
            found,
            self.fps,
            [name for name, run in zip(frames, found.runs) if not run] if self.scored_alone else [],
            id=f"{video}-{key}",
            question=self.asked(fields, where),
            media=(frames_clip(root, clip, folder, names, (width, height), self.fps, where),),
            source=self.name,
        )

    def asked(self, fields: Mapping[str, Any], where: str) -> str:
        """A sentence as it is; a phrase, in lower case and single spaces as MeViS's loader has it, to be segmented."""
        phrase = " ".join(get(fields, self.phrase, where, str).split())
        if fields.get("is_sent") or phrase.endswith("?"):
            return phrase
        return f"Please segment {phrase.lower().rstrip('.')}."

    def source(self) -> Source:
        train = "train" if "train" in self.splits else ""
        return Source(
            self.name, "video_segmentation", self.splits, self.layout, self.places, self.samples, self.licence,
            self.evidence, train,
        )  # fmt: skip


def _expressions(entry: Any, where: str) -> list[tuple[str, Any]]:
    """A video's expressions and what to call them: an object's keys, or the places of a list, whose `exp_id` is a
    number for each object and occurs again for the next."""
    found = get(entry, "expressions", where)
    return [(str(at), one) for at, one in enumerate(found)] if isinstance(found, list) else [
        *as_mapping(found, where).items()
    ]  # fmt: skip


class Found(NamedTuple):
    """An expression's masks: run lengths a frame, None where none is given; the largest mask and its frame's place."""

    runs: list[dict[str, Any] | None]
    best: Mask
    key: int


def found_in(frames: Iterable[Mask | None]) -> Found:
    """One mask in memory at a time, and the largest."""
    runs: list[dict[str, Any] | None] = []
    best, key = np.zeros((0, 0), bool), 0
    for mask in frames:
        if mask is not None and mask.sum() > best.sum():
            best, key = mask, len(runs)
        runs.append(None if mask is None else masks.encode(mask))
    return Found(runs, best, key)


def object_sample(
    where: str, frames: Sequence[str], found: Found, fps: float, unscored: Sequence[str], **fields: Any
) -> Sample:
    """The truth's prompts are those of the frame in which most of the object is seen, at that frame's second, on the
    clip as it is shown; the masks are those of the frames, `fps` a second."""
    runs, best, key = found
    height, width = best.shape
    found_runs = dict(zip(frames, runs, strict=True))
    if any(run and run["size"] != [height, width] for run in runs):
        raise DataError(f"{where}: masks of different sizes; expected one size a video")
    return make(
        where,
        task="video_segmentation",
        modality="video",
        truth={"time": round(key / fps, 3)} | prompts_of(padded(best), where),
        meta={
            "resolution": {"width": width, "height": height},
            "fps": fps,
            "segmentation": {"frames": list(frames), "segmentation_rle": found_runs}
            | ({"unscored": list(unscored)} if unscored else {}),
        },
        **fields,
    )


def padded(mask: Mask) -> Mask:
    """The mask at its clip's size: where the clip repeats a row or column to make sides even, so does the mask."""
    height, width = mask.shape
    shown_width, shown_height = shown_size(width, height)
    return np.pad(mask, ((0, shown_height - height), (0, shown_width - width)), "edge")


# ---- masks ------------------------------------------------------------------------------------------------------


def _run_lengths(root: Path, place: str) -> Masks:
    """`{annotation: [COCO run lengths or null a frame]}`; `anno_id` names those of an expression."""
    file = root / place
    annotations = as_mapping(load_json(file), str(file))

    def masks_of(video: str, fields: Mapping[str, Any], frames: Sequence[str], where: str) -> Iterator[Mask | None]:
        rows = []
        for annotation in get(fields, "anno_id", where, list):
            at = f"{file}, annotation {show(annotation)}"
            rows.append(as_list(annotations.get(str(annotation)), at))
            if len(rows[-1]) != len(frames):
                raise DataError(f"{at}: {len(rows[-1])} masks for {len(frames)} frames of {where}")
        for frame, runs in zip(frames, zip(*rows)):
            yield _together([run for run in runs if run], f"{where}, frame {show(frame)}")

    return masks_of


def _together(runs: Sequence[Any], where: str) -> Mask | None:
    """The masks of several objects in one."""
    try:
        decoded = [masks.decode(as_mapping(run, where)) for run in runs]
        return np.logical_or.reduce(decoded) if decoded else None
    except ValueError as error:
        raise DataError(f"{where}: {error}") from error


def _grey_pictures(root: Path, place: str) -> Masks:
    """A folder for each object, `SOURCE_VIDEO_OBJECT/FRAME.png`, the source as written or in lower case; what is not
    black is the object. A picture or folder that is not there is no mask: the official tool reads whatever PNGs a
    folder has and leaves out expressions without a folder."""

    def masks_of(video: str, fields: Mapping[str, Any], frames: Sequence[str], where: str) -> Iterator[Mask | None]:
        source, rest = get(fields, "source", where, str), f"{video}_{text_of(fields, 'obj_id', where)}"
        names = [under(root, f"{place}/{way}_{rest}", where) for way in (source, source.lower())]
        folder = first_there(root, names)
        for frame in frames:
            picture = root / under(root, f"{folder}/{frame}.png", where)
            yield index_picture(picture) > 0 if picture.exists() else None

    return masks_of


def _palette_pictures(root: Path, place: str) -> Masks:
    """A folder for each video, `VIDEO/FRAME.png`; the object is the pixels of its number."""
    picture = lru_cache(maxsize=64)(index_picture)

    def masks_of(video: str, fields: Mapping[str, Any], frames: Sequence[str], where: str) -> Iterator[Mask | None]:
        index = number(get(fields, "obj_id", where), where, "obj_id")
        for frame in frames:
            yield picture(root / under(root, f"{place}/{video}/{frame}.png", where)) == index

    return masks_of


# ---- the sets ---------------------------------------------------------------------------------------------------

MEVIS = """\
valid_u/meta_expressions.json        videos with frames and expressions {exp, anno_id} (the authors' layout)
valid_u/mask_dict.json               annotation → COCO run lengths, or null, a frame
valid_u/JPEGImages/VIDEO/FRAME.jpg   train/ has the same; the truth of valid/ and test/ is with their server"""

REASONVOS = """\
meta_expressions.json                      videos with source, frames and expressions, a list of {obj_id, exp_id,
                                           exp_text, is_sent} (the authors' layout: evaluation/reason_vos and
                                           benchmark_check.py of VideoLISA's repository)
JPEGImages/VIDEO/FRAME.jpg
Annotations/SOURCE_VIDEO_OBJECT/FRAME.png  grey, the object is what is not black"""

YOUTUBE = """\
meta_expressions/train/meta_expressions.json  videos with frames and expressions {exp, obj_id} (the authors' layout)
train/JPEGImages/VIDEO/FRAME.jpg
train/Annotations/VIDEO/FRAME.png             palette, an object is its number; the truth of valid/ is not public"""

REVOS = """\
meta_expressions_train_.json          videos with frames and expressions {exp, anno_id, obj_id} (the authors' layout)
mask_dict.json                        annotation → COCO run lengths, or null, a frame
JPEGImages/VIDEO/FRAME.jpg            valid alike"""

DAVIS = """\
meta_expressions/train/meta_expressions.json  videos with frames and expressions {exp, obj_id} (as ReferFormer's
                                              convert_davis_to_ytvos.py makes it of the authors' files)
train/JPEGImages/VIDEO/FRAME.jpg
train/Annotations/VIDEO/FRAME.png             palette, an object is its number; valid/ has the same"""

_SETS = (
    ObjectSet(
        "mevis", ("valid_u", "train"), MEVIS, "{split}/meta_expressions.json", "{split}/JPEGImages",
        "{split}/mask_dict.json", _run_lengths, "CC-BY-NC-SA-4.0 (henghuiding/MeViS)",
        "henghuiding/MeViS tools/eval_mevis.py, lmpm/data/datasets/mevis.py",
    ),
    ObjectSet(
        "reasonvos", ("test",), REASONVOS, "meta_expressions.json", "JPEGImages", "Annotations", _grey_pictures,
        "not stated; of MOSE, BURST, VIPSeg and others", "showlab/VideoLISA evaluation/reason_vos",
        "exp_text", scored_alone=True,
    ),
    ObjectSet(
        "ref-youtube-vos", ("train",), YOUTUBE, "meta_expressions/{split}/meta_expressions.json",
        "{split}/JPEGImages", "{split}/Annotations", _palette_pictures,
        "not looked up (YouTube-VOS)", "wjn922/ReferFormer datasets/ytvos.py",
    ),
    ObjectSet(
        "revos", ("train", "valid"), REVOS, "meta_expressions_{split}_.json", "JPEGImages", "mask_dict.json",
        _run_lengths, "CC-BY-NC-SA-4.0 (cilinyan/ReVOS-api)",
        "cilinyan/VISA README; magic-research/Sa2VA projects/llava_sam2/datasets/ReVOS_Dataset.py",
    ),
    ObjectSet(
        "ref-davis17", ("train", "valid"), DAVIS, "meta_expressions/{split}/meta_expressions.json",
        "{split}/JPEGImages", "{split}/Annotations", _palette_pictures, "not looked up (DAVIS)",
        "wjn922/ReferFormer tools/data/convert_davis_to_ytvos.py, datasets/davis.py", fps=24.0,
    ),
)  # fmt: skip
SOURCES = tuple(each.source() for each in _SETS)
