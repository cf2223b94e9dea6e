"""Tokens → text as it comes: whole characters only, and nothing of what may yet become a stop text."""

from __future__ import annotations

from typing import Any

_HALF = "\ufffd"
"""What half of a character reads as."""


class Writer:
    """One answer's text. `add` gives what may be shown of it; all that it gave together is the answer's text."""

    def __init__(self, tokenizer: Any, stop: tuple[str, ...] = (), prompt_tokens: int = 0) -> None:
        self.tokenizer, self.stop, self.prompt_tokens = tokenizer, stop, prompt_tokens
        self.ids: list[int] = []
        self.text = ""
        """All of it that is read; up to the stop text once there is one."""
        self.stopped = False
        self._shown = 0
        self._from = self._read = 0
        """Tokens from which on one reads, and up to which was read: a token's text may depend on the one before it."""

    def add(self, id: int, whole: str | None = None) -> str:
        """The text that the next token adds. whole: the answer's text, with its last token."""
        self.ids.append(id)
        if whole is None:
            self._read_on()
        elif not self.stopped:
            self.text = whole if whole.startswith(self.text[: self._shown]) else self.text
        places = [at for text in self.stop if (at := self.text.find(text, max(0, self._shown - len(text)))) >= 0]
        if places:
            self.text, self.stopped = self.text[: min(places)], True
        end = len(self.text)
        if not self.stopped and whole is None:
            end -= max((_overlap(self.text, text) for text in self.stop), default=0)
        new = self.text[self._shown : end]
        self._shown = max(self._shown, end)
        return new

    def _read_on(self) -> None:
        before = self.tokenizer.decode(self.ids[self._from : self._read], skip_special_tokens=True)
        now = self.tokenizer.decode(self.ids[self._from :], skip_special_tokens=True)
        if len(now) > len(before) and not now.endswith(_HALF):
            self.text += now[len(before) :]
            self._from, self._read = self._read, len(self.ids)


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text begin the stop text."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
