"""Procedural worlds: small pictures and clips with exact truth, and a teacher that describes them and errs."""

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
