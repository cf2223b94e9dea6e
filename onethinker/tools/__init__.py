"""What a model may call while it thinks, each in a file of its own: `zoom`, `look`, `search`. A new one is a file and a
line in `TOOLS`; what it needs of a run stands in the file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from onethinker.tools.base import Tool, ToolError
from onethinker.tools.look import Look
from onethinker.tools.search import Search
from onethinker.tools.zoom import Zoom
from onethinker.util.names import nearest
from onethinker.util.served import say

__all__ = ["TOOLS", "Tool", "ToolError", "make_tools", "needs_of"]

TOOLS: dict[str, Callable[..., Tool]] = {"zoom": Zoom, "look": Look, "search": Search}
"""Name → class, made with what it `needs`."""

GIVEN = {"knowledge": "knowledge base", "embedding": "embedding model"}
"""What a run can give a tool, by the names of `tools.*` in a recipe."""


def needs_of(name: str) -> Collection[str]:
    """What the tool of this name is made with: names of `GIVEN`. Raises ToolError for any other."""
    needs: Collection[str] = getattr(TOOLS[name], "needs", ())
    if isinstance(needs, str) or not GIVEN.keys() >= set(needs):
        raise ToolError(f"tool {name} needs {needs!r}; expected a tuple of names among {', '.join(GIVEN)}")
    return needs


def make_tools(names: Sequence[str], knowledge: str | Path = "", embedding: str = "") -> tuple[Tool, ...]:
    """The tools of these names, each once. knowledge: a folder or file, embedding: a model, for those that need them.

    Raises ToolError for an unknown name, naming the nearest, and where a tool cannot be made, such as for a knowledge
    base that is missing or empty, and for a model that cannot be loaded.
    """
    for name in names:
        if name not in TOOLS:
            raise ToolError(f"no tool {name!r}; the nearest is {nearest(name, TOOLS)!r}, all are {', '.join(TOOLS)}")
    chosen, given = tuple(dict.fromkeys(names)), {"knowledge": knowledge, "embedding": embedding}
    for key, value in given.items():
        if value and not any(key in needs_of(name) for name in chosen):
            takers = ", ".join(name for name in TOOLS if key in needs_of(name))
            say(f"the {GIVEN[key]} {value} is not used: no tool here needs it, --tools {takers} (tools.names) does")
    return tuple(TOOLS[name](**{key: given[key] for key in needs_of(name)}) for name in chosen)
