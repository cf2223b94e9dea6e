r"""`<image>` and `<video>` in a question: the places of its media, or only words.

A mark is words where the sample has no medium of its kind, and wherever a backslash stands before it: `\<image>`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from onethinker.sample.record import DataError, Modality

MARK = re.compile(r"(?<!\\)<(image|video)>")
"""A mark without a backslash; group 1 is its kind."""
_ESCAPED = re.compile(r"\\(<(?:image|video)>)")
KINDS: dict[Modality, tuple[str, ...]] = {
    "image": ("image",),
    "video": ("video",),
    "video-image": ("image", "video"),
    "text": (),
}
"""Modality → the marks that may be places."""


def escape(text: str, kinds: Sequence[str] = ("image", "video")) -> str:
    """The text with a backslash before every mark of these kinds, which makes words of them."""
    return MARK.sub(lambda mark: ("\\" if mark[1] in kinds else "") + mark[0], text)


def unescape(text: str) -> str:
    """The text without the backslashes before marks."""
    return _ESCAPED.sub(r"\1", text)


def place(question: str, options: Sequence[str], modality: Modality, media: int) -> tuple[str, list[str], bool]:
    """Question and options with only those marks bare that are places of media, and whether there are any.

    Without any the media come first. Options are words, but where question and options together mark each of several
    media. Raises DataError for marks that are not as many as the media.
    """
    words = [kind for kind in ("image", "video") if not media or kind not in KINDS[modality]]
    question, options = escape(question, words), [escape(option, words) for option in options]
    asked, chosen = len(MARK.findall(question)), sum(len(MARK.findall(option)) for option in options)
    if chosen > 1 and asked + chosen == media:
        return question, options, True
    if asked not in (0, media):
        raise DataError(
            f"{asked} <image>/<video> marks for {media} media; mark every one, or none to have them first, "
            r"and write \<image> where the words are meant"
        )
    return question, [escape(option) for option in options], asked > 0
