"""Sets as three collections for instruction tuning hand them on: The Cauldron, FineVision and LLaVA-OneVision-Data.

For sets whose owners' own files are read elsewhere in this folder these are a second way to have them; for some, such
as GEOS, the only one that is a plain table. The evidence is that of the conversion, not of the owner.
"""

from __future__ import annotations

from typing import Any

from onethinker.data.sources.dialogues import Dialogue

CAULDRON: dict[str, dict[str, Any]] = {
    "ai2d": {"choices": True},
    "aokvqa": {"choices": True},
    "chart2text": {"task": "caption"},
    "chartqa": {"task": "numerical"},
    "clevr_math": {"task": "numerical"},
    "dvqa": {"task": "numerical"},
    "figureqa": {"yes_no": True, "choices": True},
    "iam": {"task": "ocr"},
    "iconqa": {"choices": True},
    "mapqa": {"yes_no": True, "choices": True},
    "plotqa": {"task": "numerical"},
    "rendered_text": {"task": "ocr"},
    "robut_sqa": {"task": "open_ended"},
    "scienceqa": {"choices": True},
    "tabmwp": {"task": "open_ended", "numbers": True},
    "textcaps": {"task": "ocr"},
    "textvqa": {"task": "ocr"},
    "tqa": {"choices": True},
    "visual7w": {"choices": True},
    "vqarad": {"yes_no": True, "choices": True},
}  # fmt: skip
_FINEVISION = {"ai2d": "ai2d_merged"}
"""Where FineVision calls a set otherwise than The Cauldron."""

ONEVISION: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ai2d-gpt4v": (("ai2d(gpt4v)",), {"task": "open_ended"}),
    "chrome-writting": (("chrome_writting",), {"task": "ocr"}),
    "clevr-math": (("CLEVR-Math(MathV360K)",), {"task": "numerical"}),
    "geometry3k": (("Geometry3K(MathV360K)",), {"choices": True}),
    "geoqa+": (("GeoQA+(MathV360K)",), {"choices": True}),
    "geos": (("GEOS(MathV360K)",), {"choices": True}),
    "hme100k": (("hme100k",), {"task": "ocr"}),
    "pmc-vqa": (("PMC-VQA(MathV360K)",), {"choices": True}),
    "sharegpt4o": (("sharegpt4o",), {"task": "caption"}),
    "sharegpt4v": (("sharegpt4v(*)",), {"task": "caption"}),
    "super-clevr": (("Super-CLEVR(MathV360K)",), {"task": "numerical"}),
    "textocr": (("textocr(gpt4v)",), {"task": "ocr"}),
    "unigeo": (("UniGeo(MathV360K)",), {"choices": True}),
    "visualwebinstruct": (("VisualWebInstruct(filtered)",), {"task": "open_ended"}),
}


def _cauldron(subset: str, task: str = "open_ended", **more: Any) -> Dialogue:
    names = (subset, *([_FINEVISION[subset]] if subset in _FINEVISION else []))
    return Dialogue(
        f"cauldron-{subset}",
        f"{subset}/train-*.parquet of The Cauldron, or {names[-1]}/train-*.parquet of FineVision, as the hub has them: "
        "images, texts {user, assistant}",
        tuple(f"{name}/train-*.parquet" for name in names),
        task,
        **more,
        licence="each set's own; the hub's page names none for the whole",
        evidence="conversion: pytorch/torchtune torchtune/datasets/multimodal/_the_cauldron.py",
    )


def _onevision(name: str, subsets: tuple[str, ...], task: str = "open_ended", **more: Any) -> Dialogue:
    return Dialogue(
        f"onevision-{name}",
        f"{', '.join(subsets)}: train-*.parquet in a folder of that name, as the hub has LLaVA-OneVision-Data: id, "
        "image, conversations {from, value}",
        tuple(f"{subset}/train-*.parquet" for subset in subsets),
        task,
        **more,
        licence="Apache-2.0 (the hub's card); each set's own besides",
        evidence="conversion: LLaVA-VL/LLaVA-NeXT scripts/train/README.md, huggingface/nanoVLM data/datasets.py",
    )


SOURCES = tuple(
    dialogue.source()
    for dialogue in (
        *(_cauldron(subset, **facts) for subset, facts in CAULDRON.items()),
        *(_onevision(name, subsets, **facts) for name, (subsets, facts) in ONEVISION.items()),
    )
)
