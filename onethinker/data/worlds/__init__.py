"""Procedural worlds: small pictures and clips with exact truth, and a teacher that describes them and errs.

Names are resolved when they are first used: `ask` needs `recognise` alone, and not what builds a world.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onethinker.util.lazy import lazy_names

if TYPE_CHECKING:
    from onethinker.data.worlds.build import build_world, corpus_text, tasks_named
    from onethinker.data.worlds.needs import NEEDS, build_needs, needs_named
    from onethinker.data.worlds.scene import WorldError
    from onethinker.data.worlds.zeroshot import build_zeroshot, leaks

__all__ = [
    "NEEDS",
    "WorldError",
    "build_needs",
    "build_world",
    "build_zeroshot",
    "corpus_text",
    "leaks",
    "needs_named",
    "tasks_named",
]

_HOME = {
    "NEEDS": "needs",
    "WorldError": "scene",
    "build_needs": "needs",
    "build_world": "build",
    "build_zeroshot": "zeroshot",
    "corpus_text": "build",
    "leaks": "zeroshot",
    "needs_named": "needs",
    "tasks_named": "build",
}

__getattr__ = lazy_names(__name__, _HOME)
