"""The messages of a chat record → question, worked answer and media.

One turn of the user is the question. Several turns are written one under another as `User: …` and `Assistant: …`, an
earlier answer as the text of its answer block. The assistant's last turn, if it ends the chat, is the worked answer.
The system's words are not asked, since prompts are ours; they are kept in meta['system']. Content is text, in which
marks place the record's media, or parts: `{"type": "text", "text": …}`, `{"type": "image", "image": PATH}`,
`{"type": "image_url", "image_url": {"url": PATH}}`, `{"type": "video", "video": PATH}`, or a part of a type alone,
which stands for the next of the record's `images` or `videos`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onethinker.sample.marks import escape
from onethinker.sample.record import DataError

_ROLES = ("system", "user", "assistant")
_TYPES = {"text": "text", "image": "image", "image_url": "image", "video": "video", "video_url": "video"}


@dataclass(frozen=True, slots=True)
class Chat:
    """question: with a mark for each medium. response: the worked answer, empty where there is none. media: kind →
    what the parts name, paths or embedded."""

    question: str
    response: str = ""
    system: str = ""
    media: Mapping[str, list[Any]] = field(default_factory=dict)


def read_chat(messages: Any, where: str) -> Chat:
    """Raises DataError for what is not `{role, content}` of turns that follow each other."""
    if not isinstance(messages, list | tuple) or not all(isinstance(m, Mapping) for m in messages):
        raise DataError(f"{where}: field 'messages' is {messages!r:.80}; expected a list of {{role, content}}")
    media: dict[str, list[Any]] = {"image": [], "video": []}
    turns: list[tuple[str, str]] = []
    for number, message in enumerate(messages, start=1):
        role, at = message.get("role"), f"{where}: message {number}"
        if role not in _ROLES:
            raise DataError(f"{at} has role {role!r:.40}; expected {', '.join(_ROLES)}")
        turns.append((role, _content(message.get("content"), media if role == "user" else None, at)))
    system = "\n".join(text for role, text in turns if role == "system")
    said = [turn for turn in turns if turn[0] != "system"]
    response = said.pop()[1] if said and said[-1][0] == "assistant" else ""
    if not said or said[-1][0] != "user":
        raise DataError(f"{where}: no user message before the answer; expected the user's question, then the answer")
    if len(said) == 1:
        return Chat(said[0][1], response, system, media)
    from onethinker.sample.forms import strip_answer

    lines = [f"User: {text}" if role == "user" else f"Assistant: {strip_answer(text)}" for role, text in said]
    return Chat("\n".join(lines), response, system, media)


def _content(content: Any, media: dict[str, list[Any]] | None, at: str) -> str:
    """The text of a message; media: gains what its parts name, None where none may be."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list | tuple) or not all(isinstance(part, Mapping) for part in content):
        raise DataError(f"{at} has content {content!r:.80}; expected text, or a list of parts with a type")
    parts = [{key: value for key, value in part.items() if value is not None} for part in content]
    places = any(_TYPES.get(part.get("type", "text")) in ("image", "video") for part in parts)
    return "".join(_part(part, media, places, at) for part in parts)


def _part(part: Mapping[str, Any], media: dict[str, list[Any]] | None, places: bool, at: str) -> str:
    """One part's text, or the mark of its medium. places: whether parts place the media, so that marks are words."""
    name = part.get("type", "text")
    kind = _TYPES.get(name)
    if kind == "text" and isinstance(part.get("text"), str):
        return escape(part["text"]) if places else part["text"]
    if kind not in ("image", "video") or media is None:
        raise DataError(
            f"{at} has a part of type {name!r:.40} with {sorted(part)!r:.80}; expected text, image or video"
        )
    given = next((part[key] for key in (name, "path", "url", kind) if key in part), None)
    if isinstance(given, Mapping) and "url" in given:
        given = given["url"]
    if given is not None:
        media[kind].append(given)
    return f"<{kind}>"
