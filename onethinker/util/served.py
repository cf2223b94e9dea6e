"""What a server serves, as its `/v1/models` says, and chat requests that keep within what it can hold.

vLLM lists, of each model, `root` (the folder or hub id that it was started with) and `max_model_len` (tokens of prompt
and answer together: `vllm/entrypoints/openai/engine/protocol.py`, ModelCard); SGLang lists the same two. It refuses a
request whose prompt and `max_tokens` exceed that length, and where `max_tokens` is left out gives what is left. Ours
(`onethinker serve`) lists `root`, a name of its own weights too, and `max_output_tokens`, the most that it writes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from onethinker.util.server import Server, ServerError
from onethinker.util.terminal import printable

T = TypeVar("T")

OURS = "onethinker"
"""Who owns the models of `onethinker serve`, as it says."""
_LONGEST_NAME = 4096
"""Characters of a name or a root, as long as a path may be."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """One model of a server. name: the server's for it. root: the folder or hub id that it was loaded from, empty where
    the server does not tell. max_length: tokens of prompt and answer together, max_answer: of an answer; 0 where it
    does not tell."""

    name: str
    owner: str = ""
    root: str = ""
    max_length: int = 0
    max_answer: int = 0


def served_model(server: Server, name: str = "") -> ServedModel:
    """The model of that name, the server's first unless given.

    Of one that is not listed, or of a gateway that lists none, nothing but the name is known. Raises ServerError where
    there is no name either.
    """
    try:
        asked = replace(server, attempts=1) if name else server
        return asked.get("/models", lambda reply: _find(reply["data"], name))
    except ServerError:
        if name:
            return ServedModel(name)
        raise


def _find(cards: list[dict[str, Any]], name: str) -> ServedModel:
    by_name = {str(card["id"]): card for card in cards}
    name = name or str(cards[0]["id"])
    card = by_name.get(name, {})
    parent = by_name.get(str(card.get("parent")), {})  # an adapter's length is that of the model it is on
    root = card.get("root")
    return ServedModel(
        name[:_LONGEST_NAME],
        str(card.get("owned_by") or ""),
        root if isinstance(root, str) and len(root) <= _LONGEST_NAME else "",
        _tokens(card.get("max_model_len") or parent.get("max_model_len")),
        _tokens(card.get("max_output_tokens")),
    )


def _tokens(told: Any) -> int:
    return told if isinstance(told, int) and told > 0 else 0


def post_chat(
    server: Server,
    body: dict[str, Any],
    read: Callable[[Any], T],
    max_length: int = 0,
    post: Callable[[str, Any, Callable[[Any], T]], T] | None = None,
) -> T:
    """`read` of the reply to a chat request, whose `max_tokens` is left to the server where it asks for more than there
    is room for: before it is sent where `max_length` says so, else when the server refuses it for that. Says so once.
    A server that wants the limit as `max_completion_tokens`, as OpenAI does for its later models, gets it so from then
    on. post: how to send, `server.post` unless given.

    Raises ServerError.
    """
    send = post or server.post
    free, limit = {key: value for key, value in body.items() if key != "max_tokens"}, body["max_tokens"]
    if max_length and limit >= max_length:
        _say_capped(server.base, max_length)
        return send("/chat/completions", free, read)
    asked = (server.base, str(body.get("model")))
    name = _LATER_NAME if asked in _by_later_name else "max_tokens"
    try:
        return send("/chat/completions", free | {name: limit}, read)
    except ServerError as error:
        if error.status == 400 and name != _LATER_NAME and _wants_later_name(str(error)):
            _by_later_name.add(asked)
            return post_chat(server, body, read, max_length, post)
        if error.status != 400 or not _about_length(str(error)):
            raise
    made = send("/chat/completions", free, read)
    _say_capped(server.base, max_length)
    return made


_LATER_NAME = "max_completion_tokens"
_by_later_name = set[tuple[str, str]]()
"""Servers and models that refused `max_tokens` for its name."""


def _about_length(refusal: str) -> bool:
    """Whether prompt and answer together are too long, in the words of vLLM, SGLang ("maximum context length") or
    OpenAI ("max_tokens is too large"). Any other complaint about the limit is no reason to ask without one."""
    return "context length" in refusal or ("max_" in refusal and "too large" in refusal)


def _wants_later_name(refusal: str) -> bool:
    """As OpenAI says: Unsupported parameter: 'max_tokens' is not supported with this model. Use
    'max_completion_tokens' instead."""
    return _LATER_NAME in refusal and ("not supported" in refusal or "nsupported" in refusal)


@functools.cache
def _say_capped(server: str, max_length: int) -> None:
    """Once for each server."""
    holds = f"holds {max_length:,} tokens (max_model_len)" if max_length else "holds fewer tokens"
    say(f"{server} {holds}: where a prompt and max_tokens together exceed that, its answer ends there")


def say(message: str) -> None:
    print(f"onethinker: {printable(message)}", file=sys.stderr, flush=True)
