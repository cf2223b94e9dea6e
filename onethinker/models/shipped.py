"""Where models are: the weights that come with the package, and the recipe that a model was trained with."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
RECIPE_FILE = "onethinker.json"
"""Beside the weights: the recipe, so that a model is asked with the words and media sizes it learned."""


def shipped() -> dict[str, Path]:
    """Names of the weights that come with the package."""
    return {p.name: p for p in sorted(WEIGHTS.iterdir()) if (p / "config.json").exists()} if WEIGHTS.exists() else {}


def locate(name: str) -> str:
    """The folder of a shipped name; any other name as it is."""
    return str(shipped().get(name, name))
