"""A vLLM server that answers with a policy in training: token ids and log-probabilities pass through unchanged.

The server stands in an environment of its own and reads a folder that the trainer writes:

    VLLM_SERVER_DEV_MODE=1 vllm serve MODEL --logprobs-mode processed_logprobs --trust-request-mm-kwargs \\
        --no-mm-device-do-normalize

`processed_logprobs` are those under which a token was sampled, temperature and banned tokens included. The development
mode lets the trainer hand its weights over, and anybody else who reaches the port: keep it to yourselves. Trusted
requests may say at which times a clip's frames are on screen. vLLM's own normalisation of pixels knows one scale for
pictures and frames, and a processor may have two. Media go as the encoder prepares them for training, and every reply's
prompt must be, token for token, the one that training sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from PIL.Image import Image

from onethinker.engines.base import Capability, Completion, EngineError, Request, Sampling
from onethinker.engines.content import Part, image_part, sequence_part, sequence_times, text_part
from onethinker.engines.encode import Encoder, Inputs, Prompt
from onethinker.engines.openai import OpenAIEngine, read_completions
from onethinker.models.forward import banned_ids
from onethinker.models.weights import Weights, write_weights
from onethinker.util.server import Server, ServerError

VISION = ("<|vision_start|>", "<|vision_end|>")
START_OPTIONS = (
    "start it with VLLM_SERVER_DEV_MODE=1 in its environment, --logprobs-mode processed_logprobs, "
    "--trust-request-mm-kwargs and --no-mm-device-do-normalize"
)
BAN = -100.0
"""The most that a server lets a logit be lowered by: of a banned token's probability e⁻¹⁰⁰ is left."""


class ExpansionError(EngineError):
    """vLLM sees another prompt than training will."""


class VisionTokensDropped(ExpansionError):
    """The prompts differ only in the two tokens around each clip, which older vLLMs leave out."""


class VllmServer(OpenAIEngine):
    """Answers by a vLLM server's chat endpoint, as the policy whose weights it is handed.

    weights: of the policy, asked for at every hand-over; None for a server that answers with its own. folder: where
    they are written for the server to read (a memory-backed one is fastest).
    """

    capabilities: frozenset[Capability] = frozenset({"token_ids", "logps"})
    streams = False

    def __init__(
        self,
        server: Server,
        model: str,
        encoder: Encoder,
        weights: Weights | None = None,
        folder: Path | None = None,
        concurrency: int = 64,
        max_length: int = 0,
    ) -> None:
        super().__init__(server, model, "sequence", concurrency, max_length)
        self.encoder, self.weights, self.folder = encoder, weights, folder
        self.identity = f"vllm:{model}@{urlsplit(server.base).netloc}"
        self.bans = {str(token): BAN for token in banned_ids(encoder.tokenizer)}
        self.root = replace(server, base=server.base.removesuffix("/v1"))
        self.adds_vision_tokens = False
        self._check_server()

    @classmethod
    def connect(
        cls, address: str, encoder: Encoder, weights: Weights | None = None, folder: Path | None = None
    ) -> Self:
        """The engine of `http://host:port/v1`, optionally with the name and options that the openai engine takes."""
        plain = OpenAIEngine.load(address, clips="sequence")
        return cls(plain.server, plain.model, encoder, weights, folder, plain.concurrency, plain.max_length)

    def sync_weights(self) -> None:
        """From now on the server answers as the policy is. Raises EngineError where it does not take the weights."""
        if self.weights is None or self.folder is None:
            return
        where = write_weights(self.weights(), self.folder)
        self._tell("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": str(where)}})
        self._tell("/reset_prefix_cache")
        self._tell("/reset_encoder_cache")

    def _tell(self, path: str, body: dict[str, Any] | None = None) -> None:
        try:
            self.root.tell(path, body or {})
        except ServerError as error:
            raise EngineError(f"the vLLM server did not take the policy's weights: {error}; {START_OPTIONS}") from error

    def _check_server(self) -> None:
        """Where only one token may be sampled, its log-probability is 0 if it is that of the sampling. A server that
        trusts no request with its media says so here, rather than of every clip."""
        only = self.encoder.tokenizer.eos_token_id
        body = {
            "model": self.model, "messages": [{"role": "user", "content": "?"}], "max_tokens": 1, "temperature": 1.0,
            "allowed_token_ids": [only], "logprobs": True, "return_token_ids": True,
            "media_io_kwargs": {"video": {"num_frames": -1}},
        }  # fmt: skip
        try:
            ids, logps = self.server.post("/chat/completions", body, lambda reply: _sampled(reply["choices"][0]))
        except ServerError as error:
            raise EngineError(f"not a vLLM server that can be trained with: {error}; {START_OPTIONS}") from error
        if ids != (only,) or abs(logps[0]) > 1e-3:
            raise EngineError(
                f"the vLLM server says {logps[0]:.3f} of the only token that it may sample, so its log-probabilities "
                f"are not those of the sampling; {START_OPTIONS}"
            )

    # ---- one request ------------------------------------------------------------------------------------------

    def _one(self, request: Request, sampling: Sampling, tell: Callable[[str], None] | None = None) -> list[Completion]:
        try:
            return super()._one(request, sampling)
        except VisionTokensDropped:
            self.adds_vision_tokens = True
            return super()._one(request, sampling)

    def _body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        inputs = self.encoder.inputs(request)
        times = _times(request, inputs)
        images = iter(inputs.images)  # the question's, then those of tools' responses
        content = self._content(request, inputs, images)
        asked = {"logprobs": True, "return_token_ids": True, "logit_bias": self.bans, "media_io_kwargs": times}
        return self._chat(request, content, sampling, images) | asked

    def _content(self, request: Request, inputs: Inputs, images: Iterator[Image]) -> list[Part]:
        clips, content = iter(inputs.clips), list[Part]()
        for kind, words in request.parts():
            if kind == "text":
                content.append(text_part(words))
            elif kind == "image":
                content.append(image_part(next(images)))
            elif self.adds_vision_tokens:
                content += [text_part(VISION[0]), sequence_part(next(clips)), text_part(VISION[1])]
            else:
                content.append(sequence_part(next(clips)))
        return content

    def _read(self, request: Request, reply: Any) -> list[Completion]:
        check_expansion(request, self.encoder.encode(request), reply["prompt_token_ids"], self.encoder.tokenizer)
        made = []
        for choice, completion in zip(reply["choices"], read_completions(reply), strict=True):
            ids, logps = _sampled(choice)
            made.append(with_tokens(completion, ids, logps, self.encoder.tokenizer))
        return made


def with_tokens(plain: Completion, ids: tuple[int, ...], logps: tuple[float, ...], tokenizer: Any) -> Completion:
    """A completion with its tokens. Raises EngineError for a token that training cannot take."""
    if len(ids) != len(logps):
        raise EngineError(f"vLLM gave {len(ids)} tokens and {len(logps)} log-probabilities of one answer")
    if not all(map(math.isfinite, logps)):
        raise EngineError(f"vLLM gave a log-probability of {next(p for p in logps if not math.isfinite(p))}")
    if placeholders := set(ids) & set(banned_ids(tokenizer)):
        raise EngineError(f"vLLM sampled a media placeholder (token {min(placeholders)}) although told not to")
    text = tokenizer.decode(ids[: -1 if plain.finish == "stop" else None], skip_special_tokens=True)
    return replace(plain, text=text, token_ids=ids, logps=logps, tokens=len(ids))


def check_expansion(request: Request, ours: Prompt, theirs: Sequence[int], tokenizer: Any) -> None:
    """Raises ExpansionError where the prompts differ, naming the first difference."""
    expected, got = ours.ids_T.tolist(), list(theirs)
    if expected == got:
        return
    start, end = tokenizer.convert_tokens_to_ids(list(VISION))
    seen = [False, *(ours.types_T > 0).tolist(), False]
    bare = [
        token
        for i, token in enumerate(expected)
        if not (token == start and not seen[i + 2]) and not (token == end and not seen[i])
    ]
    place = next((i for i, (a, b) in enumerate(zip(expected, got)) if a != b), min(len(expected), len(got)))
    here, there = (tokenizer.decode(ids[max(0, place - 4) : place + 4]) for ids in (expected, got))
    raise (VisionTokensDropped if got == bare else ExpansionError)(
        f"request {request.id}: vLLM's prompt has {len(got)} tokens where training has {len(expected)}; the first "
        f"difference is at {place}: {there!r} where {here!r} is expected. Does the server have this checkpoint's own "
        "chat template and processor, is the media budget within that processor's sizes, and is it vLLM 0.32 or newer?"
    )


def _times(request: Request, inputs: Inputs) -> dict[str, Any]:
    """When the frames are on screen. Raises ValueError for clips that differ in that: a request has one list."""
    times = [sequence_times(list(m.frames_indices), m.duration) for m in inputs.metadata]
    if any(other != times[0] for other in times[1:]):
        raise ValueError(f"request {request.id}: vLLM takes one list of frame times, and its {len(times)} clips differ")
    return times[0] if times else {}


def _sampled(choice: Any) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Token ids and log-probabilities of one answer."""
    content = choice["logprobs"]["content"]
    return tuple(int(i) for i in choice["token_ids"]), tuple(float(token["logprob"]) for token in content)
