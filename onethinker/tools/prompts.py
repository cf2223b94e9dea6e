"""How a prompt says which tools there are: in its system message, as Qwen's chat templates write it, or in a few words
for a model that was trained on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from onethinker.tasks.prompts import PromptSet
from onethinker.tools.base import Tool

SHORT = "short"


def with_tools(prompts: PromptSet, tools: Sequence[Tool]) -> PromptSet:
    """The prompts, which tell of these tools; the same where there are none. Their digest counts the words."""
    if not tools:
        return prompts
    words = f"tools: {' '.join(tool.name for tool in tools)}" if prompts.name == SHORT else _signatures(tools)
    return replace(prompts, system=f"{prompts.system}\n\n{words}" if prompts.system else words)


def _signatures(tools: Sequence[Tool]) -> str:
    """The form of Qwen2.5's and Qwen3's chat templates (`tokenizer_config.json`), which these models were taught."""
    functions = (
        {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)} for tool in tools
    )
    listed = "\n".join(json.dumps({"type": "function", "function": function}) for function in functions)
    return (
        "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
        "You are provided with function signatures within <tools></tools> XML tags:\n"
        f"<tools>\n{listed}\n</tools>\n\n"
        "For each function call, return a json object with function name and arguments within "
        "<tool_call></tool_call> XML tags:\n"
        '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
    )
