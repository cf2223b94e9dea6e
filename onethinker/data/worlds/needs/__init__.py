"""Worlds whose questions need a tool: to look closer (`zoom`), again (`look`), or something up (`search`)."""

from onethinker.data.worlds.needs.build import NEEDS, build_needs, needs_named
from onethinker.data.worlds.needs.search import FILE as KNOWLEDGE

__all__ = ["KNOWLEDGE", "NEEDS", "build_needs", "needs_named"]
