"""Answers while they are written: pieces of text from tokens, or from a server's events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

_PATIENCE = 8
"""Tokens that a character may be spread over; of what is no character by then the sign for that is told."""


class Aloud:
    """Tells the text of an answer's tokens as they come, whole characters only."""

    def __init__(self, tokenizer: Any, tell: Callable[[str], None]) -> None:
        self.tokenizer, self.tell, self._told = tokenizer, tell, 0

    def hear(self, ids: Sequence[int], last: bool = False) -> None:
        """ids: all tokens so far."""
        new = ids[self._told :]
        text = self.tokenizer.decode(new, skip_special_tokens=True)
        if text.endswith("\ufffd") and len(new) < _PATIENCE and not last:
            return
        self._told = len(ids)
        if text:
            self.tell(text)


class Spoken:
    """Tells the text of a chat reply's events, thinking that the server parts from it between its tags; and puts the
    events together as the one reply that the server would have given. Events are untrusted: what is wrong raises
    KeyError, ValueError, …, as of any reply that cannot be used."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.tell = tell
        self.thinking, self.text = "", ""

    def hear(self, event: Any) -> None:
        """One event."""
        for choice in event.get("choices") or ():
            delta = choice.get("delta") or {}
            thinking = delta.get("reasoning_content") or delta.get("reasoning") or ""
            text = delta.get("content") or ""
            if not isinstance(text, str) or not isinstance(thinking, str):
                raise ValueError(f"expected text, found {delta!r:.80}")
            if thinking:
                self.tell(thinking if self.thinking else f"<think>{thinking}")
            if text:
                self.tell(f"</think>{text}" if self.thinking and not self.text else text)
            self.thinking, self.text = self.thinking + thinking, self.text + text

    def reply(self, events: Sequence[Any]) -> dict[str, Any]:
        """As a reply that is not streamed."""
        reasons = [c["finish_reason"] for e in events for c in e.get("choices") or () if c.get("finish_reason")]
        usage = [event["usage"] for event in events if event.get("usage")]
        message = {"content": self.text, "reasoning_content": self.thinking}
        choice = {"message": message, "finish_reason": reasons[-1] if reasons else None}
        return {"choices": [choice], "usage": usage[-1] if usage else None}
