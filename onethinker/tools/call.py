"""A tool call in a model's words → what the tool says. Nothing that a model writes raises here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from onethinker.engines.base import Request, Turn
from onethinker.media import MediaError
from onethinker.tools.base import Response, Tool, ToolError, shown

OPEN, CLOSE = "<tool_call>", "</tool_call>"
LAST = "This was the last call: answer now."
MAX_CALL = 8192
"""Characters of a call; longer ones are not parsed."""
MAX_WORDS = 20_000
"""Characters of a response's words together; the rest is cut and said to be."""


def calls_tool(text: str) -> bool:
    """Whether a turn ends in a tool call, whatever is in it."""
    return text.rstrip().endswith(CLOSE)


def answer_call(text: str, request: Request, tools: Sequence[Tool], *, last: bool = False) -> Turn:
    """The turn that this text is, with the response to its (last) call: the tool's, or words on what was expected.
    last: no other call may come, and the response says so."""
    turn = _answered(text, request, tools)
    return replace(turn, response=(*turn.response, f"\n{LAST}")) if last else turn


def _answered(text: str, request: Request, tools: Sequence[Tool]) -> Turn:
    name = ""
    try:
        name, arguments = read_call(text)
        tool = next((tool for tool in tools if tool.name == name), None)
        if tool is None:
            known = ", ".join(tool.name for tool in tools)
            raise ToolError(f"no tool {shown(name)}; the tools are {known}")
        return Turn(text, _bounded(tool.call(arguments, request)), name)
    except (ToolError, MediaError, OSError) as error:
        offered = name if any(tool.name == name for tool in tools) else ""  # any other name is the model's words
        return Turn(text, (f"error: {_without_paths(str(error), request)}",), offered, failed=True)


def read_call(text: str) -> tuple[str, Mapping[str, Any]]:
    """Name and arguments of the last call, `{"name": …, "arguments": {…}}` between its tags, as Qwen writes it. Raises
    ToolError."""
    start = text.rfind(OPEN)
    body = text[start + len(OPEN) : text.rfind(CLOSE)].strip()
    form = f'expected {OPEN}{{"name": …, "arguments": {{…}}}}{CLOSE}'
    if start < 0 or len(body) > MAX_CALL:
        raise ToolError(f"{form} of at most {MAX_CALL:,} characters")
    try:
        call = json.loads(body)
    except (ValueError, RecursionError):
        raise ToolError(f"{form}; what came is not JSON") from None
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise ToolError(f"{form}; what came has no name")
    arguments = call.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ToolError(f"{form}; the arguments are {shown(arguments)}")
    return call["name"], arguments


def _without_paths(words: str, request: Request) -> str:
    """An error's words without where the media lie, which a response, repeatable elsewhere, is not to depend on."""
    for number, file in enumerate(request.media, start=1):
        words = words.replace(str(file), f"media {number}")
    return words


def _bounded(response: Response) -> Response:
    left, parts = MAX_WORDS, list[str | bytes]()
    for part in response:
        if isinstance(part, str):
            cut = part[:left]
            left -= len(cut)
            part = cut if len(cut) == len(part) else f"{cut} [cut]"
            if parts and isinstance(parts[-1], str):  # as one, so that no mark of a chat is disarmed by halves
                parts[-1] += part
                continue
        parts.append(part)
    return tuple(parts)
