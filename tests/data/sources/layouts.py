"""A small copy of every data set in the layout that its reader expects: a few rows with their media."""

from __future__ import annotations

import io
import json
import pickle
from hashlib import sha256
from typing import Any

import numpy as np
from PIL import Image

from onethinker.data.sources import mixtures, video_r1
from onethinker.measure import masks
from tests.data.sources.small_tables import CHOICE, CLIP, CLIPS, PIC, PICTURES, QUESTIONS, STILL, Layout, table

MASK = np.zeros((24, 32), np.uint8)
MASK[6:18, 8:24] = 1


def run_lengths(mask: np.ndarray = MASK) -> dict[str, Any]:
    return masks.encode(mask)


def palette() -> bytes:
    """A palette PNG in which object 1 is MASK."""
    picture = Image.fromarray(MASK, "P")
    picture.putpalette([0, 0, 0, 255, 0, 0] + [0] * 762)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


_REFS = [
    {"ref_id": 1, "ann_id": 70, "image_id": 7, "split": "train", "sentences": [{"sent_id": 10, "sent": "left man"}]}
]
_INSTANCES = {
    "images": [{"id": 7, "file_name": "a.jpg", "width": 32, "height": 24}],
    "annotations": [{"id": 70, "image_id": 7, "bbox": [8, 6, 16, 12],
                     "segmentation": [[8.0, 6.0, 24.0, 6.0, 24.0, 18.0, 8.0, 18.0]]}],
}  # fmt: skip
_OBJECT = {
    "videos": {"v": {"frames": ["0", "1"], "expressions": {"0": {"exp": "a box", "obj_id": "1", "anno_id": [3]}}}}
}
_FRAMES = {f"{at}.jpg": STILL for at in range(2)}


def _videos(content: Any) -> Any:
    return content["videos"]


def _objects(split: str, rows: str, frames: str, **more: Any) -> Layout:
    files = {rows: _OBJECT, **{f"{frames}/v/{name}": frame for name, frame in _FRAMES.items()}, **more}
    return Layout(split, rows, files, entries=_videos)


_MASKS = {"3": [run_lengths(), None]}
_PALETTES = {f"train/Annotations/v/{at}.png": palette() for at in range(2)}
_GOT = {
    "groundtruth.txt": "8,6,16,12\n" * 20,
    "cover.label": "8\n" * 20,
    "meta_info.ini": "[METAINFO]\nresolution: (32, 24)",
}
_HC = {"width": 32, "height": 24, "st_frame": 1, "st_time": 0.5, "ed_time": 1.5, "img_num": 200,
       "bbox": [[8, 6, 16, 12]] * 20}  # fmt: skip

PERCEPTION = {
    **{f"{name}{suffix}": Layout("train", f"{name}/refs({by}).p", {
        f"{name}/refs({by}).p": _REFS, f"{name}/instances.json": _INSTANCES, "train2014/a.jpg": STILL},
        dump=pickle.dumps)
        for name, by in (("refcoco", "unc"), ("refcoco+", "unc"), ("refcocog", "umd")) for suffix in ("",
        "-segmentation")},
    "charades-sta": Layout("train", "charades_sta_train.txt", {
        "charades_sta_train.txt": "AB 0.0 1.5##a person sits.\n", "Charades_v1_480/AB.mp4": CLIP}),
    "activitynet-captions": Layout("train", "train.json", {
        "train.json": {"v_a": {"duration": 2.0, "timestamps": [[0, 1.5]], "sentences": ["It is black."]}},
        "videos/v_a.mp4": CLIP}),
    "anet-rtl": table("val", "temporal_reasoning/annot_val_1_q229.json", {
        "vid": "a", "duration": 2.0, "question": "When?", "answer": "<0.5> <1.5> It is so."}, "vid",
        files={"videos/v_a.mp4": CLIP}),
    "didemo": table("train", "train_data.json", {
        "annotation_id": 1, "description": "it moves", "video": "a_b.mov", "times": [[0, 0], [0, 0], [1, 1]]}, "video",
        files={"videos/a_b.mp4": CLIP}),
    "queryd": Layout("train", "train_list.txt", {
        "train_list.txt": "video-a\n", "raw_captions_combined_filtered.json": {"video-a": [["it", "moves."]]},
        "times_captions_combined_filtered.json": {"video-a": [[0.5, 1.5]]}, "videos/video-a/x.mp4": CLIP}),
    "hirest": Layout("train", "all_data_train.json", {
        "all_data_train.json": {"Bake": {
            "a.mp4": {"relevant": True, "clip": True, "v_duration": 2.0, "bounds": [0, 1], "steps": []},
            "b.mp4": {"relevant": True, "clip": False, "v_duration": 2.0, "bounds": [0, 0], "steps": []}}},
        "videos/a.mp4": CLIP}),
    "vtg-it": table("train", "moment_retrieval/VTG-IT-MR/time_token.json", {
        "video": "yt/a.mp4", "QA": [{"q": "Find 'it moves' in the clip.",
                                     "a": "It is in <TIME_ZERO><TIME_DOT><TIME_FIVE> - <TIME_ONE><TIME_DOT><TIME_FIVE> "
                                     "seconds."}]},
        "video", files={"yt/a.mp4": CLIP}),
    "hc-stvg": Layout("train", "train.json", {"train.json": {"a.mp4": {**_HC, "caption": "it moves"}},
    "video/a.mp4": CLIP}),
    "hc-stvg2": Layout("train", "trainv2.json", {
        "trainv2.json": {"a.mp4": {**_HC, "English": "it moves", "img_size": [24, 32]}}, "video/a.mp4": CLIP}),
    "vidstg": table("train", "train_annotations.json", {
        "vid": "5", "fps": 10, "width": 32, "height": 24, "used_segment": {"begin_fid": 0, "end_fid": 19},
        "temporal_gt": {"begin_fid": 2, "end_fid": 15}, "captions": [{"target_id": 0, "description": "it moves"}],
        "questions": []}, files={
            "annotation/training/0/5.json": {"trajectories": [
                [{"tid": 0, "bbox": {"xmin": 8, "ymin": 6, "xmax": 24, "ymax": 18}}]] * 20}, "video/0/5.mp4": CLIP}),
    "llava-st-stvg": table("train", "stvg.json", {
        "video_path": "0/5.mp4", "conversations": [
            {"from": "human", "value": "<video>\nWhen does it move?"}, {"from": "gpt",
            "value": "From <s> to <e>, <bboxes>"}],
        "meta": {"width": 32, "height": 24, "split": [0, 19], "time_token": {"<s>": 2, "<e>": 15},
                 "spatial_token": {"<bboxes>": {str(at): [8, 6, 16, 12] for at in range(2, 16)}}}}, "video_path",
        files={"0/5.mp4": CLIP}),
    "got-10k": Layout("train", "train/list.txt", {
        "train/list.txt": "a\n", **{f"train/a/{name}": text for name, text in _GOT.items()},
        **{f"train/a/{at + 1:08d}.jpg": STILL for at in range(20)}}),
    "trackingnet": Layout("train", "", {
        "TRAIN_0/anno/a.txt": "8,6,16,12\n" * 61, **{f"TRAIN_0/frames/a/{at}.jpg": STILL for at in range(61)}}),
    "elysiumtrack": table("train", "train.json", {
        "id": "1", "vid": "a", "frames": [f"frames/a/{at:06d}.jpg" for at in range(61)], "frame_size": [32, 24],
        "box": [[0.25, 0.25, 0.75, 0.75]] * 61, "object_description": "a red box"},
        files={f"frames/a/{at:06d}.jpg": STILL for at in range(61)}),
    "mevis": _objects("train", "train/meta_expressions.json", "train/JPEGImages", **{"train/mask_dict.json": _MASKS}),
    "reasonvos": Layout("test", "meta_expressions.json", {
        "meta_expressions.json": {"videos": {"v": {"source": "MOSE", "frames": ["0", "1"], "expressions": [
            {"obj_id": 1, "exp_id": 0, "exp_text": "a box", "is_sent": False}]}}},
        **{f"JPEGImages/v/{name}": frame for name, frame in _FRAMES.items()},
        "Annotations/MOSE_v_1/0.png": MASK[..., None].repeat(3, 2) * 255}, entries=_videos),
    "ref-youtube-vos": _objects("train", "meta_expressions/train/meta_expressions.json", "train/JPEGImages",
    **_PALETTES),
    "revos": _objects("train", "meta_expressions_train_.json", "JPEGImages", **{"mask_dict.json": _MASKS}),
    "ref-davis17": _objects("train", "meta_expressions/train/meta_expressions.json", "train/JPEGImages", **_PALETTES),
    "ref-sav": Layout("train", "sam_v_final_v3.json", {
        "sam_v_final_v3.json": {"s1": {"video_path": "s1.mp4", "anno_path": "s1.json", "objects": {
            "0": {"formated": "The box in the middle.", "short_caps": ["box"]}}}},
        "sam_v_full/s1.json": {"masklet": [[run_lengths()]] * 5}, "sam_v_full/s1.mp4": CLIP}, named="video_path"),
}  # fmt: skip


def _cauldron(facts: dict[str, Any]) -> dict[str, Any]:
    said = {"user": CHOICE, "assistant": "Answer: B"}
    if facts.get("yes_no"):
        said = {"user": "Is it? Answer yes or no.", "assistant": "Yes."}
    elif not facts.get("choices"):
        said = {
            "user": "Question: What stands there?",
            "assistant": "7" if facts.get("task") == "numerical" else "a word or two",
        }
    return {"images": [PIC], "texts": [{**said, "source": "x"}]}


def _onevision(facts: dict[str, Any]) -> dict[str, Any]:
    hint = "Hint: Please answer the question and provide the correct option letter, e.g., A, B, C, D.\nQuestion: "
    said = f"<image>\n{hint}Which?\nChoices:\n(A) 4\n(B) 5", "The answer is B"
    if not facts.get("choices"):
        said = "<image>\nWhat stands there?", "The answer is 7" if facts.get("task") == "numerical" else "a word or two"
    return {"id": "1", "image": PIC, "data_source": "x",
            "conversations": [{"from": "human", "value": said[0]}, {"from": "gpt", "value": said[1]}]}  # fmt: skip


def _images(content: Any) -> Any:
    return content["images"]


_COCO = {
    "images": _INSTANCES["images"],
    "annotations": [{"id": 70, "image_id": 7, "bbox": [8, 6, 16, 12], "iscrowd": 0, "category_id": 1}],
    "categories": [{"id": 1, "name": "box"}],
}
INSTANCES = {
    "coco": Layout("train2017", "annotations/instances_train2017.json", {
        "annotations/instances_train2017.json": _COCO, "train2017/a.jpg": STILL}, entries=_images, named="file_name"),
    "screenspot": table("web", "screenspot_web.json", {
        "img_filename": "a.png", "bbox": [8, 6, 16, 12], "instruction": "close it", "data_type": "icon"},
        "img_filename", files={"screenspot_imgs/a.png": STILL}),
    "pixmo-points-eval": table("test", "data/test-0.parquet", {
        "image_url": "https://a.org/a.png", "image_sha256": "", "label": "box", "points": [{"x": 25.0, "y": 25.0}],
        "masks": [[[True, False], [False, False]]]},
        files={f"pixmo_images/{sha256(b'https://a.org/a.png').hexdigest()}": PIC["bytes"]}),
    "ifeval": Layout("test", "data/input_data.jsonl", {"data/input_data.jsonl": json.dumps({
        "key": 1, "prompt": "Answer in JSON.", "instruction_id_list": ["detectable_format:json_format"],
        "kwargs": [{}]})}),
}  # fmt: skip

BY_FOLDER = ("arxivqa", "clevrer")
"""Sets whose rows say where they are from by their path alone."""


def _video_r1(name: str, task: str) -> Layout:
    clip = name in ("llava-video", "star", "clevrer", "next-qa", "perceptiontest")
    kind = {"open_ended": "free-form", "multiple_choice": "multiple choice", "ocr": "OCR"}.get(task, task)
    path = f"./{name}/v.mp4" if clip else f"./Some/{name}/v.png"
    row = {"problem_id": 1, "problem": "Which?", "data_type": "video" if clip else "image", "problem_type": kind,
           "options": ["A. red", "B. blue"] if task == "multiple_choice" else [], "path": path,
           "data_source": "" if name in BY_FOLDER else f"{name}/part",
           "solution": f"<answer>{'B' if task == 'multiple_choice' else '7'}</answer>"}  # fmt: skip
    other = {**row, "problem_id": 2, "data_source": "Multimath-300K", "path": "./Math/Multimath-300k/v.png"}
    files = {video_r1.FILE: [row, other], path[2:]: CLIP if clip else STILL}
    return Layout("train", video_r1.FILE, files, named="" if name in BY_FOLDER else "path")


LAYOUTS: dict[str, Layout] = {
    **QUESTIONS,
    **PICTURES,
    **CLIPS,
    **PERCEPTION,
    **INSTANCES,
    **{f"cauldron-{name}": table("train", f"{name}/train-0.parquet", _cauldron(facts))
       for name, facts in mixtures.CAULDRON.items()},
    **{f"onevision-{name}": table("train", f"{subsets[0].replace('*', 'coco')}/train-0.parquet", _onevision(facts))
       for name, (subsets, facts) in mixtures.ONEVISION.items()},
    **{f"{video_r1.PREFIX}{name}": _video_r1(name, task) for name, task in video_r1.TASKS.items()},
}  # fmt: skip
