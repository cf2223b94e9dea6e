"""Where models are: the weights that come with the package, and the recipe that a model was trained with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

WEIGHTS = Path(__file__).parent / "weights"
RECIPE_FILE = "onethinker.json"
"""Beside the weights: the recipe, so that a model is asked with the words and media sizes it learned."""
DATA_FILE = "data.json"
"""Beside shipped weights, whose data do not come along: the world that they were made on, and how many of its `samples`
hold a phrase of a zero-shot question (`leaks`, counted when they were made)."""
SEEN_FILE = "pictures.bin"
"""Beside them: the first `SEEN_BYTES` of the digest of every picture and clip of that world's training split."""
SEEN_BYTES = 8


def shipped() -> dict[str, Path]:
    """Names of the weights that come with the package."""
    return {p.name: p for p in sorted(WEIGHTS.iterdir()) if (p / "config.json").exists()} if WEIGHTS.exists() else {}


def locate(name: str) -> str:
    """The folder of a shipped name; any other name as it is."""
    return str(shipped().get(name, name))


def shipped_data(name: str) -> dict[str, Any] | None:
    """What `DATA_FILE` says of a shipped name; None for any other."""
    folder = shipped().get(name)
    return json.loads((folder / DATA_FILE).read_text(encoding="utf-8")) if folder else None


def seen_pictures(name: str) -> frozenset[str]:
    """The names, without a suffix, of a world's pictures and clips that a shipped model learned from: the same picture
    has the same name in every world. Empty for any other model."""
    folder = shipped().get(name)
    found = (folder / SEEN_FILE).read_bytes() if folder else b""
    return frozenset(found[at : at + SEEN_BYTES].hex() for at in range(0, len(found), SEEN_BYTES))
