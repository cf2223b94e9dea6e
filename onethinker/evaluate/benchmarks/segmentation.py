"""Segmentation, the paper's Table 8: the answer's box and points prompt a segmenter, its masks are measured.

                RefCOCO cIoU  RefCOCO+ cIoU  RefCOCOg cIoU    MeViS J  F    J&F     ReasonVOS J  F    J&F
Qwen3-VL-8B     73.2          66.2           68.3             19.4  26.4  22.9      16.6  22.7  19.6
OneThinker-8B   75.8          67.1           70.8             48.8  56.7  52.7      51.1  58.7  54.9

RefCOCO, RefCOCO+ and RefCOCOg on their val splits. The paper's masks are SAM2's; `--segmenter sam2` makes such.
"""

from __future__ import annotations

from onethinker.evaluate.benchmarks.base import HERE, UNKNOWN_LICENCE, Benchmark, Place, both, released
from onethinker.evaluate.benchmarks.grounding import COCO

SAM2 = "the paper's masks are SAM2's"
SQUARE = (
    "F finds a boundary within a square of 0.0075 of the diagonal (DAVIS's: a disk of 0.008), J is 0, not 1, where "
    "both masks are empty, frames without run lengths are skipped (officially empty): on the clip of radius 120 of "
    "`benchmarks/masks.py` F is 0.538 and DAVIS's 0.466"
)
PHRASES = (
    "from the authors' files a phrase is asked as `Please segment PHRASE.`, in lower case as their loaders have it"
)


def _image(kind: str, file: str, title: str, size: int, base: str, ours: str) -> Benchmark:
    return Benchmark(
        name=f"seg_{file}", title=f"{title} segmentation val", family="image_segmentation", task="image_segmentation",
        split="val", size=size, metric="cIoU", licence=COCO, origin=f"{HERE}; REFER's files with COCO's pictures",
        places=(released(f"eval_seg_{file}"), Place(kind, "RefCOCO", "val")), table="Table 8",
        published=both("cIoU", base, ours), note=f"{SAM2}; its script leaves answers without a prompt out of the mean",
        released="gIoU is 0, not 1, where both masks are empty",
    )  # fmt: skip


BENCHMARKS = (
    _image("refcoco-segmentation", "refcoco", "RefCOCO", 10834, "73.2", "75.8"),
    _image("refcoco+-segmentation", "refcocop", "RefCOCO+", 10758, "66.2", "67.1"),
    _image("refcocog-segmentation", "refcocog", "RefCOCOg", 4896, "68.3", "70.8"),
    Benchmark(
        name="mevis", title="MeViS", family="video_segmentation", task="video_segmentation", split="valid_u", size=793,
        metric="J&F", licence="CC BY-NC-SA 4.0 (its repository)", origin=f"{HERE}; repository henghuiding/MeViS",
        places=(released("eval_seg_mevis"), Place("mevis", "MeViS", "valid_u")), table="Table 8",
        published=both("J F J&F", "19.4 26.4 22.9", "48.8 56.7 52.7"),
        released=SQUARE,
        note=SAM2 + "; the split with public truth, of version 1 (version 2 has 907), the paper does not name its own; "
        + PHRASES,
    ),
    Benchmark(
        name="reasonvos", title="ReasonVOS", family="video_segmentation", task="video_segmentation", split="test",
        size=458, metric="J&F", licence=UNKNOWN_LICENCE, origin=f"{HERE}; repository showlab/VideoLISA",
        places=(released("eval_seg_reasonvos"), Place("reasonvos", "ReasonVOS", "test")), table="Table 8",
        published=both("J F J&F", "16.6 22.7 19.6", "51.1 58.7 54.9"),
        released=SQUARE,
        note=f"{SAM2}; {PHRASES}; frames without a mask's picture are not scored, an expression without any is left "
        "out, as VideoLISA's tool does; sentences stand as they are",
    ),
)  # fmt: skip
