"""What a model may call while it thinks, each in a file of its own: `zoom`, `look`, `search`. A new one is a file and a
line in `TOOLS`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from onethinker.tools.base import Tool, ToolError
from onethinker.tools.look import Look
from onethinker.tools.zoom import Zoom
from onethinker.util.names import nearest
from onethinker.util.served import say

__all__ = ["TOOLS", "Tool", "ToolError", "make_tools"]


def _search(knowledge: Path | None, embedding: str = "") -> Tool:
    from onethinker.tools.search import Search  # late: it indexes with bm25s

    if knowledge is None:
        raise ToolError("search needs a knowledge base: name a folder or file with --knowledge (tools.knowledge)")
    try:
        return Search(knowledge, embedding)
    except ImportError as error:
        raise ToolError(
            f"search indexes with bm25s, which is not here ({error}): pip install 'onethinker[tools]'"
        ) from error


TOOLS: dict[str, Callable[..., Tool]] = {
    "zoom": lambda _: Zoom(),
    "look": lambda _: Look(),
    "search": _search,
}
"""Name → what makes the tool, given the knowledge base; `search` is given an embedding model too where one is named."""


def make_tools(names: Sequence[str], knowledge: str | Path = "", embedding: str = "") -> tuple[Tool, ...]:
    """The tools of these names, each once. knowledge: the folder or file that `search` looks in. embedding: the model
    that it looks with; BM25 if empty.

    Raises ToolError for an unknown name, naming the nearest, for a knowledge base that is missing or empty, and for a
    model that cannot be loaded.
    """
    for name in names:
        if name not in TOOLS:
            raise ToolError(f"no tool {name!r}; the nearest is {nearest(name, TOOLS)!r}, all are {', '.join(TOOLS)}")
    if knowledge and not set(names) - {"zoom", "look"}:
        say(f"the knowledge base {knowledge} is not used: no tool looks in it, --tools search (tools.names) does")
    if embedding and "search" not in names:
        say(f"the embedding model {embedding} is not used: --tools search (tools.names) looks with it")
    made = dict(TOOLS)
    if embedding:
        made["search"] = partial(made["search"], embedding=embedding)
    return tuple(made[name](Path(knowledge) if knowledge else None) for name in dict.fromkeys(names))
