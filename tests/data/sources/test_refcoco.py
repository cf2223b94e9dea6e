"""RefCOCO: REFER's pickles and COCO's annotations to boxes and masks, against pycocotools."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO

from onethinker.data.sources import read
from onethinker.measure import masks
from onethinker.sample import DataError
from onethinker.tasks import get_task
from onethinker.tasks.image_segmentation import true_mask

WIDTH, HEIGHT = 64, 48
POLYGONS = [[4.0, 4.0, 30.5, 6.0, 20.0, 30.0], [16.0, 10.0, 50.0, 10.0, 50.0, 40.0, 16.0, 40.0]]
RUNS = {"size": [HEIGHT, WIDTH], "counts": [100, 30, HEIGHT * WIDTH - 130]}
INSTANCES = {
    "images": [{"id": 7, "file_name": "COCO_train2014_000000000007.jpg", "width": WIDTH, "height": HEIGHT}],
    "annotations": [
        {"id": 70, "image_id": 7, "bbox": [4, 4, 46, 36], "segmentation": POLYGONS, "iscrowd": 0, "category_id": 1},
        {"id": 71, "image_id": 7, "bbox": [2, 0, 2, 48], "segmentation": RUNS, "iscrowd": 1, "category_id": 1},
    ],
    "categories": [{"id": 1, "name": "thing"}],
}


def ref(number: int, annotation: int, split: str, *phrases: str) -> dict[str, Any]:
    sentences = [{"sent_id": 10 * number + i, "sent": text, "tokens": []} for i, text in enumerate(phrases)]
    return {"ref_id": number, "ann_id": annotation, "image_id": 7, "split": split, "sentences": sentences,
            "file_name": "COCO_train2014_000000000007_1.jpg"}  # fmt: skip


REFS = [ref(1, 70, "testA", "left man", "man in red"), ref(2, 71, "testA", "crowd"), ref(3, 70, "val", "him")]


@pytest.fixture
def root(put: Callable[[str, Any], Path], tmp_path: Path) -> Path:
    put("refcoco/refs(unc).p", pickle.dumps(REFS, protocol=2))
    put("refcoco/instances.json", INSTANCES)
    put(
        "images/mscoco/images/train2014/COCO_train2014_000000000007.jpg",
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
    )
    return tmp_path


def test_a_question_for_every_sentence_of_the_split(root: Path) -> None:
    found = list(read("refcoco", root, "testA"))
    assert [(s.id, s.question) for s in found] == [("1-10", "left man"), ("1-11", "man in red"), ("2-20", "crowd")]
    assert [s.question for s in read("refcoco", root, "val")] == ["him"]
    x1, y1, x2, y2 = json.loads(found[0].truth)["boxes"]
    assert (x1 * WIDTH / 1000, y1 * HEIGHT / 1000) == pytest.approx((4, 4), abs=1e-3)
    assert (x2 * WIDTH / 1000, y2 * HEIGHT / 1000) == pytest.approx((50, 40), abs=1e-3)
    assert all(path.is_file() for path in found[0].paths(root))


def test_masks_are_those_of_pycocotools(root: Path) -> None:
    coco = COCO(root / "refcoco" / "instances.json")
    first, _, crowd = read("refcoco-segmentation", root, "testA")
    for sample, annotation in ((first, 70), (crowd, 71)):
        mask = true_mask(sample)
        assert mask is not None
        assert (mask == coco.annToMask(coco.anns[annotation]).astype(bool)).all()
        truth = get_task("image_segmentation").truth(sample)
        for points, inside in ((truth.positive, True), (truth.negative, False)):
            assert [mask[int(y * HEIGHT / 1000), int(x * WIDTH / 1000)] for x, y in points] == [inside] * 3
        rows, columns = np.nonzero(mask)
        box = np.array(
            [columns.min() / WIDTH, rows.min() / HEIGHT, (columns.max() + 1) / WIDTH, (rows.max() + 1) / HEIGHT]
        )
        assert truth.box == pytest.approx(1000 * box, abs=0.5)


def test_texts_of_python_2_may_be_latin_1(root: Path) -> None:
    """REFER's pickles are Python 2's: protocol 0 keeps its texts as bytes, in whatever encoding they had."""
    data = pickle.dumps(REFS, protocol=0).replace(b"Vleft man", b"S'caf\\xe9 na\\xc3\\xafve'")
    (root / "refcoco" / "refs(unc).p").write_bytes(data)
    assert next(iter(read("refcoco", root, "testA"))).question == "café naïve"


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("boom",))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (pickle.dumps([Bomb()]), "names builtins.print"),
        (pickle.dumps(np.zeros(2)), "names numpy"),
        (pickle.dumps(REFS)[:-40], "not a whole pickle"),
        (b"]r\xff\xff\xff\xff.", "expected an object|expected a list|no field|not found"),
        (b"\x80\x05\x96\x00\x00\x00\x00\x00\x00\x00\x40.", "not a whole pickle"),
        (pickle.dumps({}), "expected a list"),
        (pickle.dumps([{"split": 1 << 9999}]), "entry 0: field 'split' is a number of 10000 bits"),
        (pickle.dumps([ref(1, 99, "testA", "x")]), "entry 0: annotation 99 is not in instances.json"),
        (pickle.dumps([{"ref_id": 1}]), "entry 0: no field 'split'; it has 'ref_id'"),
    ],
)  # fmt: skip
def test_hostile_pickles(root: Path, data: bytes, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "refcoco" / "refs(unc).p").write_bytes(data)
    if data.startswith(b"]r"):  # an empty list, remembered at the place 2³²−1
        assert list(read("refcoco", root, "testA")) == []
        return
    with pytest.raises(DataError, match=message) as caught:
        list(read("refcoco", root, "testA"))
    assert "refs(unc).p" in str(caught.value)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation": [[0, 0, 1e9, 0, 1e9, 1e9]]}, "far off the picture"),
        ({"segmentation": [[0, 0, 1, 1]]}, "fewer than three corners"),
        ({"segmentation": [[0, 0, 1, "x", 5, 5]]}, "corner is 'x'"),
        ({"segmentation": {"size": [4, 4], "counts": [16]}}, r"a mask of \(4, 4\)"),
        ({"segmentation": {"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}}, "the mask is empty"),
    ],
)
def test_hostile_shapes(root: Path, put: Callable[[str, Any], Path], change: dict[str, Any], message: str) -> None:
    changed = [INSTANCES["annotations"][0] | change, *INSTANCES["annotations"][1:]]
    put("refcoco/instances.json", INSTANCES | {"annotations": changed})
    with pytest.raises(DataError, match=rf"refs\(unc\)\.p, entry 0: .*{message}"):
        list(read("refcoco-segmentation", root, "testA"))


def test_a_picture_outside_the_root_is_refused(root: Path, put: Callable[[str, Any], Path]) -> None:
    put("refcoco/instances.json", INSTANCES | {"images": [INSTANCES["images"][0] | {"file_name": "../" * 9 + "etc/x"}]})
    with pytest.raises(DataError, match=r"entry 0: .*leaves the media root"):
        list(read("refcoco", root, "testA"))


def test_truncated_annotations(root: Path) -> None:
    file = root / "refcoco" / "instances.json"
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"instances\.json: not whole JSON"):
        list(read("refcoco", root, "testA"))


def test_run_lengths_survive_the_round_trip(root: Path) -> None:
    crowd = list(read("refcoco-segmentation", root, "testA"))[2]
    assert masks.decode(crowd.meta["segmentation"]["segmentation_rle"]).sum() == 30


def test_spoilt_files(root: Path, survives: Any) -> None:
    survives("refcoco-segmentation", "testA", "refcoco/refs(unc).p", REFS, pickle.dumps)
    survives("refcoco-segmentation", "testA", "refcoco/instances.json", INSTANCES)
    survives("refcoco", "testA", "refcoco/instances.json", INSTANCES)
