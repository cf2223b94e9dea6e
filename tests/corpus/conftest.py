"""Data sets of a few rows below a data root, for builds."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onethinker.corpus.recipe import CorpusRecipe
from onethinker.media import write_image
from onethinker.sample import Sample, save_samples


def sample(number: int, **fields: Any) -> Sample:
    given = {"task": "numerical", "modality": "image", "question": f"How many? {number}", "truth": str(number)}
    return Sample(**{"id": f"{number:03d}", "media": (f"m/{number % 4}.png",)} | given | fields)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """own/: forty samples on four pictures; texts.jsonl: ten without media; RefCOCO/: REFER's layout, two phrases of
    training, one of them about a picture that is not there."""
    root = tmp_path / "data"
    for number in range(4):
        write_image(root / f"own/m/{number}.png", np.full((16, 16, 3), 40 * number, np.uint8))
    save_samples([sample(n) for n in range(40)], root / "own/samples.jsonl")
    texts = [sample(n, task="math", modality="text", question=f"{n}+0?", media=()) for n in range(10)]
    save_samples(texts, root / "texts.jsonl")
    write_image(root / "RefCOCO/train2014/a.png", np.zeros((48, 64, 3), np.uint8))
    images = [{"id": n, "file_name": name, "width": 64, "height": 48} for n, name in ((7, "a.png"), (8, "none.png"))]
    boxes = [{"id": 10 * n, "image_id": n, "bbox": [4, 4, 46, 36], "segmentation": []} for n in (7, 8)]
    sentence = {"sent_id": 1, "sent": "it"}
    refs = [{"ref_id": n, "ann_id": 10 * n, "image_id": n, "split": "train", "sentences": [sentence]} for n in (7, 8)]
    (root / "RefCOCO/refcoco").mkdir()
    (root / "RefCOCO/refcoco/refs(unc).p").write_bytes(pickle.dumps(refs, protocol=2))
    (root / "RefCOCO/refcoco/instances.json").write_text(json.dumps({"images": images, "annotations": boxes}))
    return root


@pytest.fixture
def recipe() -> CorpusRecipe:
    return CorpusRecipe.model_validate({
        "name": "mine",
        "sources": {
            "own/pictures": {"samples": "own", "cap": 12, "licence": "CC0-1.0"},
            "own/texts": {"samples": "texts.jsonl"},
            "spatial/RefCOCO": {"reader": "refcoco", "cap": 2},
            "spatial/RefCOCO+": {"reader": "refcoco+", "at": "RefCOCO", "cap": 2},
            "tracking/GOT-10k": {"reader": "got-10k", "cap": 3},
            "temporal/closed": {"unavailable": "not public", "cap": 5},
        },
    })  # fmt: skip
