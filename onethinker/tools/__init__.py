"""What a model may call while it thinks, each in a file of its own: `zoom`, `look`, `search`. A new one is a file and a
line in `TOOLS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from onethinker.tools.base import Tool, ToolError
from onethinker.tools.look import Look
from onethinker.tools.zoom import Zoom
from onethinker.util.names import nearest
from onethinker.util.served import say

__all__ = ["TOOLS", "Tool", "ToolError", "make_tools"]


def _search(knowledge: Path | None) -> Tool:
    from onethinker.tools.search import Search  # late: it indexes with bm25s

    if knowledge is None:
        raise ToolError("search needs a knowledge base: name a folder or file with --knowledge (tools.knowledge)")
    try:
        return Search(knowledge)
    except ImportError as error:
        raise ToolError(
            f"search indexes with bm25s, which is not here ({error}): pip install 'onethinker[tools]'"
        ) from error


TOOLS: dict[str, Callable[[Path | None], Tool]] = {
    "zoom": lambda _: Zoom(),
    "look": lambda _: Look(),
    "search": _search,
}
"""Name → what makes the tool, given the knowledge base."""


def make_tools(names: Sequence[str], knowledge: str | Path = "") -> tuple[Tool, ...]:
    """The tools of these names, each once. knowledge: the folder or file that `search` looks in.

    Raises ToolError for an unknown name, naming the nearest, and for a knowledge base that is missing or empty.
    """
    for name in names:
        if name not in TOOLS:
            raise ToolError(f"no tool {name!r}; the nearest is {nearest(name, TOOLS)!r}, all are {', '.join(TOOLS)}")
    if knowledge and not set(names) - {"zoom", "look"}:
        say(f"the knowledge base {knowledge} is not used: no tool looks in it, --tools search (tools.names) does")
    return tuple(TOOLS[name](Path(knowledge) if knowledge else None) for name in dict.fromkeys(names))
