"""Where models are: the weights that come with the package, and the recipe that a model was trained with."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from onethinker.util.names import nearest


class ModelError(ValueError):
    """A model that cannot be loaded; says what was looked for and where."""


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
    """The folder of a shipped name, the last checkpoint of a run's folder; any other name as it is."""
    last = last_checkpoint(Path(name))
    return str(shipped().get(name, last or name))


def last_checkpoint(run: Path) -> Path | None:
    """The last whole checkpoint of a run's folder; None where that is a checkpoint itself, or no run."""
    made = (p for p in run.glob("checkpoints/step-*") if _is_checkpoint(p))
    return max((p for p in made if not p.suffix), key=lambda p: int(p.name.removeprefix("step-")), default=None)


def _is_checkpoint(folder: Path) -> bool:
    """Whether weights may be here: a run's folder has a config.json too, which says of what kind of run."""
    if (folder / "adapter_config.json").exists() or (folder / RECIPE_FILE).exists():
        return True
    file = folder / "config.json"
    return file.is_file() and '"kind":' not in file.read_text(encoding="utf-8", errors="replace")


def known_model(name: str) -> None:
    """Raises ModelError for what is plainly no model: an unknown word, a folder that is not there or holds none.

    It looks at names and files alone; whether a hub id exists is for the hub to say.
    """
    if re.fullmatch(r"mini(:\d+)?|https?://.*", name) or name in shipped():
        return
    folder = Path(name)
    if folder.exists():
        if last_checkpoint(folder) is None and not _is_checkpoint(folder):
            within = sorted(str(at) for at in folder.glob("*") if at.is_dir() and last_checkpoint(at))
            named = f"; one of the runs in it may be meant: {', '.join(within[:5])}" if within else ""
            raise ModelError(
                f"{name}: no config.json in this folder; expected a checkpoint in transformers' format, or the folder "
                f"of a run that has saved one{named}"
            )
    elif re.fullmatch(r"[\w.-]+/[\w.-]+", name) and not folder.parent.exists():
        return
    elif "/" in name:
        there = next(p for p in folder.parents if p.exists())
        raise ModelError(f"{name}: no such folder; of its path {there} is there")
    else:
        names = ["mini", *shipped()]
        raise ModelError(
            f"model {name!r} is neither shipped ({', '.join(names)}; the nearest is {nearest(name, names)!r}) nor a "
            "folder; a hub id is OWNER/NAME"
        )


def find_model(name: str, engine: str = "") -> str:
    """The name to load a model by, once it may be one (`known_model`): a run's folder becomes its last checkpoint, and
    that is said. engine: of those that load no weights here any name is taken as it is."""
    if engine not in ("", "local", "vllm"):
        return name
    known_model(name)
    last = None if name in shipped() else last_checkpoint(Path(name))
    if last is None:
        return name
    print(f"{name}: a run; its last checkpoint is {last.name}", file=sys.stderr)
    return str(last)


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
