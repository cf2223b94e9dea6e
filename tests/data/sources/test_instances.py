"""COCO's objects, ScreenSpot's clicks and IFEval's instructions, from a few rows in their layouts."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.data.sources import get_source, read
from onethinker.data.sources.base import LeftOut
from onethinker.sample import DataError
from onethinker.tasks import score
from tests.tasks.examples import respond

PICTURE = np.zeros((48, 64, 3), np.uint8)
COCO = {
    "images": [
        {"id": 7, "file_name": "7.jpg", "width": 64, "height": 48},
        {"id": 8, "file_name": "8.jpg", "width": 64, "height": 48},
    ],
    "annotations": [
        {"id": 1, "image_id": 7, "bbox": [4, 4, 32, 24], "iscrowd": 0, "category_id": 18},
        {"id": 2, "image_id": 7, "bbox": [0, 0, 16, 12], "iscrowd": 0, "category_id": 1},
        {"id": 3, "image_id": 7, "bbox": [32, 24, 16, 12], "iscrowd": 0, "category_id": 18},
        {"id": 4, "image_id": 8, "bbox": [0, 0, 64, 48], "iscrowd": 1, "category_id": 1},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 18, "name": "dog"}],
}
SCREEN = {"img_filename": "a.png", "bbox": [16, 12, 32, 24], "instruction": "close", "data_type": "icon"}
TITLE = {"instruction_id_list": ["detectable_format:title"], "kwargs": [{"num_words": None}]}
PROMPT = {"key": 1000, "prompt": "Write a title.", **TITLE}
UNNAMED = COCO | {"categories": COCO["categories"][:1]}


@pytest.fixture
def root(put: Callable[[str, Any], Path], tmp_path: Path) -> Path:
    put("annotations/instances_val2017.json", COCO)
    for name in ("val2017/7.jpg", "val2017/8.jpg", "screenspot_imgs/a.png"):
        put(name, PICTURE)
    put("screenspot_web.json", [SCREEN, SCREEN | {"img_filename": "none.png"}])
    put("data/input_data.jsonl", json.dumps(PROMPT) + "\n" + json.dumps(PROMPT | {"key": 1001, "kwargs": [{}]}) + "\n")
    return tmp_path


def test_coco_asks_a_picture_for_every_class_that_it_has(root: Path) -> None:
    (found,) = read("coco", root, "val2017")
    assert (found.id, found.question, found.media) == ("7", "all of these: person, dog", ("val2017/7.jpg",))
    assert [(o["label"], o["box"]) for o in json.loads(found.truth)["objects"]] == [
        ("person", [0, 0, 250, 250]), ("dog", [62.5, 83.333, 562.5, 583.333]), ("dog", [500, 500, 750, 750]),
    ]  # fmt: skip
    assert score(found, respond(found.truth)).accuracy == 1
    left = [item for item in get_source("coco").rows(root, "val2017") if isinstance(item, LeftOut)]
    assert len(left) == 1 and "no crowd" in str(left[0]) and not left[0].fault


def test_screenspot_asks_where_to_click(root: Path) -> None:
    with pytest.raises(DataError, match=r"entry 1: its screenshot screenspot_imgs/none.png is not there"):
        list(read("screenspot", root, "web"))
    found = next(iter(read("screenspot", root, "web")))
    assert (found.question, found.meta["data_type"]) == ("where to click: close", "icon")
    for point, right in (([500, 500], 1), ([250, 250], 1), ([751, 500], 0)):
        assert score(found, respond(json.dumps({"points": [point]}))).accuracy == right


def test_ifeval_asks_its_prompts(root: Path) -> None:
    first, second = read("ifeval", root, "test")
    assert (first.id, second.id, first.modality, first.media) == ("1000", "1001", "text", ())
    assert score(first, respond("<<A title>>")).accuracy == 1 and score(first, respond("A title")).accuracy == 0


@pytest.mark.parametrize(
    ("name", "split", "file", "content", "problem"),
    [
        (
            "coco",
            "val2017",
            "annotations/instances_val2017.json",
            COCO | {"categories": COCO["categories"][:1]},
            "category 18",
        ),
        ("coco", "val2017", "annotations/instances_val2017.json", "[", "not whole JSON"),
        ("screenspot", "web", "screenspot_web.json", [SCREEN | {"bbox": [1, 2]}], "entry 0: bbox"),
        ("screenspot", "web", "screenspot_web.json", [SCREEN | {"img_filename": "../../x"}], "entry 0"),
        ("ifeval", "test", "data/input_data.jsonl", json.dumps(PROMPT | {"kwargs": []}), "line 1.*kwargs"),
        ("ifeval", "test", "data/input_data.jsonl", "{", "line 1: not JSON"),
    ],
)
def test_rows_that_cannot_be_used_are_named(
    root: Path, put: Callable[[str, Any], Path], name: str, split: str, file: str, content: Any, problem: str
) -> None:
    put(file, content)
    with pytest.raises(DataError, match=problem):
        list(read(name, root, split))
