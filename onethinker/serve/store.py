"""Uploads and results on the disk: a folder that only this user can open, names that nobody can guess, an end."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from onethinker.serve.limits import Limits
from onethinker.serve.problems import Problem
from onethinker.serve.records import Answered

_ANSWER = "answer.json"


@dataclass(eq=False)
class Kept:
    """One question's folder, and what was answered. media: what is known of each upload, its files among it. told: as
    `results` has it, without turns. made_files: drawings and the like, made when they were first asked for."""

    id: str
    folder: Path
    made: float = field(default_factory=time.monotonic)
    media: list[dict[str, Any]] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    made_files: dict[str, Path] = field(default_factory=dict)
    size: int = 0
    answered: bool = False

    def hold(self, media: list[dict[str, Any]], told: dict[str, Any], answer: Answered) -> None:
        """What was answered. The reply goes to the disk: what tools gave back is megabytes of it."""
        self.media, self.told = media, told
        (self.folder / _ANSWER).write_text(answer.model_dump_json(), encoding="utf-8")
        self.answered = True

    def answer(self) -> bytes:
        """The reply as JSON."""
        return (self.folder / _ANSWER).read_bytes()

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Store:
    """Folders of questions under way, and of those answered until they expire."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.root = Path(tempfile.mkdtemp(prefix="onethinker-serve-"))  # 0700
        self._kept: OrderedDict[str, Kept] = OrderedDict()

    def begin(self) -> Kept:
        """A folder for a question. The caller keeps it or removes it."""
        name = secrets.token_urlsafe(16)
        folder = self.root / name
        folder.mkdir(mode=0o700)
        return Kept(name, folder)

    def keep(self, kept: Kept) -> None:
        """Hold a result until it expires; the oldest go where there is no room."""
        kept.size = sum(file.stat().st_size for file in kept.folder.iterdir())
        self._kept[kept.id] = kept
        self.expire()
        while len(self) > self.limits.results or (self.size > self.limits.result_bytes and len(self) > 1):
            self._kept.popitem(last=False)[1].remove()

    def get(self, name: str) -> Kept:
        """Raises Problem."""
        self.expire()
        if name not in self._kept:
            minutes = self.limits.result_seconds / 60
            raise Problem(404, f"there is no such result (any more); results are kept for {minutes:g} min, ask again")
        return self._kept[name]

    def forget(self, name: str) -> None:
        self.get(name)
        self._kept.pop(name).remove()

    def expire(self) -> None:
        ended = time.monotonic() - self.limits.result_seconds
        while self._kept and next(iter(self._kept.values())).made < ended:
            self._kept.popitem(last=False)[1].remove()

    @property
    def size(self) -> int:
        return sum(kept.size for kept in self._kept.values())

    def __len__(self) -> int:
        return len(self._kept)

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
