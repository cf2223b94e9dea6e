"""A sample as what is asked of an annotator: its words and media, what it can cost, and the key of its answers.

The key is a hash of all that decides an answer: model, words, the bytes of the media and how they are sent, and the
sampling; not how many answers are asked, so that asking for more later pays for the new ones alone.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from onethinker.corpus.annotate.budget import TEMPLATE_TOKENS, text_bound
from onethinker.corpus.annotate.settings import Settings
from onethinker.engines.base import Request
from onethinker.engines.content import Encoded, encode_medium, message_parts
from onethinker.media import MediaBudget, is_clip
from onethinker.sample import Sample
from onethinker.sample.marks import escape
from onethinker.scoring.results import file_digest
from onethinker.tasks import get_task
from onethinker.tasks.prompts import PromptSet

_CACHE_BYTES = 256 << 20
"""Of encoded media that are kept for the next question about them."""
TRUTH = "{truth}"


@dataclass(frozen=True)
class Question:
    """sample: what is asked. request: its words and media. key: of its answers. tokens: of the prompt, at most."""

    sample: Sample
    request: Request
    key: str
    tokens: int


@dataclass
class MediaParts:
    """Media as they are sent, each encoded once for all that ask of it, the least recently used let go first."""

    most: int = _CACHE_BYTES
    _kept: OrderedDict[tuple[str, str, str], Encoded] = field(default_factory=OrderedDict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def encode(self, path: str, way: str, budget: MediaBudget) -> Encoded:
        """As `encode_medium`; threads may ask at once."""
        key = (path, way, budget.model_dump_json())
        with self._lock:
            if found := self._kept.get(key):
                self._kept.move_to_end(key)
                return found
        made = encode_medium(path, way, budget)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = made
                self._size += _size(made)
            while self._size > self.most and len(self._kept) > 1:
                self._size -= _size(self._kept.popitem(last=False)[1])
        return made


def _size(made: Encoded) -> int:
    return sum(len(str(part)) for part in made[0])


@dataclass(frozen=True)
class Asker:
    """Turns samples into questions and questions into request bodies. model: the server's name for it. length: tokens
    that the server holds, 0 if unknown."""

    model: str
    prompts: PromptSet
    settings: Settings
    length: int = 0
    limit_name: str = "max_tokens"
    media: MediaParts = field(default_factory=MediaParts)

    def question(self, sample: Sample, root: Any) -> Question:
        """Raises DataError, PromptError, MediaError, OSError for a sample that cannot be asked."""
        task, prompts = get_task(sample.task), self.prompts
        task.truth(sample)
        template = prompts.template(sample.task)
        if TRUTH in template:
            shown = template.replace(TRUTH, escape(sample.truth))
            prompts = replace(prompts, templates={**prompts.templates, sample.task: shown})
        paths = tuple(sample.paths(root))
        request = Request(sample.id, task.prompt(sample, prompts), paths, self.settings.media, prompts.system)
        return Question(sample, request, self._key(request), self._bound(request))

    def body(self, question: Question, count: int, first: int) -> dict[str, Any]:
        """The request for `count` answers of which the first is the `first`-th to this question."""
        settings, request = self.settings, question.request
        content, extra = message_parts(request, settings.clips, self.media.encode)
        system = [{"role": "system", "content": request.system}] if request.system else []
        seed = hashlib.sha256(f"{settings.seed}|{question.key}|{first}".encode()).digest()
        return {
            "model": self.model,
            "messages": [*system, {"role": "user", "content": content}],
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            self.limit_name: settings.max_tokens,
            "n": count,
            "seed": int.from_bytes(seed[:4], "big") >> 1,
        } | extra

    def _key(self, request: Request) -> str:
        settings = self.settings
        media = [file_digest(path) for path in request.media]
        kinds = [settings.clips, settings.media.model_dump()] if media else []
        sampling = [settings.temperature, settings.top_p, settings.max_tokens, settings.seed]
        content = [self.model, request.system, request.text, media, kinds, sampling]
        return hashlib.sha256(json.dumps(content).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _bound(self, request: Request) -> int:
        """Tokens of the prompt at most, for any tokenizer, with `tokens_per_picture` for each picture and frame."""
        settings = self.settings
        pictures = sum(settings.media.max_frames if is_clip(path) else 1 for path in request.media)
        times = 16 * pictures  # the words beside each frame
        words = text_bound(request.system) + text_bound(request.text)
        most = TEMPLATE_TOKENS + words + times + settings.tokens_per_picture * pictures
        return min(most, self.length) if self.length else most


def kind_of(question: Question) -> str:
    """What decides how a server counts its prompt: `text`, `image` or `video`."""
    media = question.request.media
    return "video" if any(map(is_clip, media)) else "image" if media else "text"


def facts(question: Question) -> Mapping[str, Any]:
    """What a settlement says of what was asked, so that the file can be read by people."""
    return {"id": question.sample.id, "task": question.sample.task, "source": question.sample.source}
