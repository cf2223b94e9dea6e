"""Benchmarks that are none of the paper's: of the three tasks beside its thirteen."""

from __future__ import annotations

from onethinker.evaluate.benchmarks.base import UNKNOWN_LICENCE, Benchmark, Place

_NOT_ITS = "none of the paper's 31, which gives no number for it"


def _screens(split: str, size: int) -> Benchmark:
    return Benchmark(
        name=f"screenspot_{split}", title=f"ScreenSpot {split}", family="beyond", task="pointing", split=split,
        size=size, metric="click", licence=UNKNOWN_LICENCE, origin="repository njucckevin/SeeClick",
        places=(Place("screenspot", "ScreenSpot", split),), table="", reason=_NOT_ITS,
    )  # fmt: skip


BENCHMARKS = (
    Benchmark(
        name="coco_detection", title="COCO detection", family="beyond", task="detection", split="val2017", size=None,
        metric="F1@0.5", licence="annotations CC BY 4.0, pictures under Flickr's terms", origin="cocodataset.org",
        places=(Place("coco", "COCO", "val2017"),), table="", reason=_NOT_ITS,
        note="each picture is asked for the classes that it has and for none that it lacks; AP, AP50 and AP75 of the "
        "same answers stand beside F1, all boxes with one confidence; pictures without an object that is no crowd are "
        "left out",
    ),
    _screens("mobile", 502), _screens("desktop", 334), _screens("web", 436),
    Benchmark(
        name="pixmo_points", title="PixMo-Points-Eval", family="beyond", task="pointing", split="test", size=436,
        metric="F1", licence="ODC-BY 1.0 (its card); the pictures are their owners'",
        origin="hub data set allenai/pixmo-points-eval; the pictures by its addresses, as Molmo's loader keeps them",
        places=(Place("pixmo-points-eval", "PixMo-Points-Eval", "test"),), table="", reason=_NOT_ITS,
    ),
    Benchmark(
        name="ifeval", title="IFEval", family="beyond", task="instruction_following", split="test", size=541,
        metric="prompt strict", licence="Apache-2.0 (its repository)",
        origin="repository google-research/google-research, instruction_following_eval",
        places=(Place("ifeval", "IFEval", "test"),), table="", reason=_NOT_ITS,
    ),
)  # fmt: skip
