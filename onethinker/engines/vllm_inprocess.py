"""A vLLM in this process: answers for evaluation, or within a trainer, with the policy's weights handed over in place.

Works where vLLM can be imported, which is an environment of its own. On a GPU it sleeps between rollouts: its weights
are dropped and its cache is given back, so that the trainer has the memory. Prompts go in as token ids, media as the
encoder prepares them, and token ids come out; nothing is tokenised twice.
"""

from __future__ import annotations

import copy
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from onethinker.engines.base import Capability, Completion, EngineError, Request, Sampling
from onethinker.engines.encode import Encoder, Inputs
from onethinker.engines.openai import FINISHES, seed_of, turn_id
from onethinker.engines.vllm import BAN, check_expansion, with_tokens
from onethinker.models.forward import banned_ids, unwrap
from onethinker.models.shipped import locate
from onethinker.models.weights import Weights


def _weights_of(model: str) -> str:
    """16 hex digits over what a folder's weights and settings are, so that a checkpoint that is written anew at the
    same path is another model; of a hub id the commit that is here, where one is."""
    if not Path(model).is_dir():
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(model, "config.json")  # …/snapshots/COMMIT/config.json
        return f"{model}@{Path(found).parent.name}" if isinstance(found, str) else model
    digest = hashlib.sha256()
    for file in sorted(f for f in Path(model).iterdir() if f.name == "config.json" or f.suffix in _WEIGHTS):
        with file.open("rb") as opened:
            digest.update(file.name.encode() + hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


_WEIGHTS = (".safetensors", ".bin", ".pt")
"""Ends of the files that vLLM reads weights from."""


def _imported() -> Any:
    """The package vllm. Raises EngineError where it is not."""
    try:
        import vllm
    except ImportError as error:
        raise EngineError(
            f"vLLM cannot be imported here ({error}); start a server in its own environment and name it: "
            "http://host:port/v1 for `onethinker eval`, rl.server for training"
        ) from error
    return vllm


class VllmInProcess:
    """Answers by a `vllm.LLM` of this process. weights: of the policy; None for one that keeps those of its folder."""

    capabilities: frozenset[Capability] = frozenset({"token_ids", "logps"})

    def __init__(self, model: str, encoder: Encoder, weights: Weights | None = None, **options: Any) -> None:
        """model: a folder or hub id. options: `vllm.LLM`'s own, such as gpu_memory_utilization or max_model_len."""
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")  # weights are handed over within the process
        vllm = _imported()
        self.encoder, self.weights, self._params = encoder, weights, vllm.SamplingParams
        self.sleeps = weights is not None and torch.cuda.is_available()
        self.asleep = False
        # One scale for pictures and frames is all that vLLM's own normalisation knows, and a processor may have two.
        fixed = {"logprobs_mode": "processed_logprobs", "mm_device_do_normalize": False}
        start = {"load_format": "dummy", "enable_sleep_mode": self.sleeps} if weights is not None else {}
        self.llm = vllm.LLM(model=model, **fixed, **start, **options)
        told = "".join(f" {name}={value}" for name, value in sorted(options.items()))
        self.identity = "policy" if weights is not None else f"vllm:{_weights_of(model)}{told}"
        self.bans = dict.fromkeys(banned_ids(encoder.tokenizer), BAN)

    @classmethod
    def load(cls, model: str, dtype: str = "float32", **_: object) -> Self:
        """The engine of a shipped name, a checkpoint's folder or a hub id; any other option of an engine is of no use
        here."""
        from transformers import AutoProcessor

        _imported()  # before the model is looked for
        where = locate(model)
        return cls(where, Encoder(AutoProcessor.from_pretrained(where)), dtype=dtype)

    @classmethod
    def for_policy(
        cls, policy: Any, processor: Any, folder: Path, encoder: Encoder, weights: Weights, dtype: str, **options: Any
    ) -> Self:
        """The engine of a policy in training; `folder` is given its configuration and processor, no weights."""
        config = copy.deepcopy(unwrap(policy).config)
        config.architectures = [type(unwrap(policy)).__name__]
        config.save_pretrained(folder)
        unwrap(policy).generation_config.save_pretrained(folder)
        processor.save_pretrained(folder)
        return cls(str(folder), encoder, weights, dtype=dtype, **options)

    def sync_weights(self) -> None:
        """Wake, with the weights that the policy has now."""
        if self.weights is None:
            return
        if self.asleep:
            self.llm.wake_up(tags=["weights"])
        pairs = [(name, tensor.detach()) for name, tensor in self.weights().items()]
        self.llm.collective_rpc("reload_weights", kwargs={"weights_iterator": iter(pairs)})
        if self.asleep:
            self.llm.wake_up(tags=["kv_cache"])
        self.asleep = False
        self.llm.reset_prefix_cache()
        self.llm.llm_engine.reset_encoder_cache()

    def sleep(self) -> None:
        """Give the memory back until the next `sync_weights`, where this is a GPU."""
        if self.sleeps:
            self.llm.sleep(level=2)
            self.asleep = True

    def answer(self, requests: Sequence[Request], sampling: Sampling) -> Iterator[tuple[int, list[Completion]]]:
        """See `Engine.answer`. vLLM schedules all requests itself; they are given to it at once."""
        began, places, prompts = time.perf_counter(), list[int](), list[dict[str, Any]]()
        for index, request in enumerate(requests):
            try:
                prompts.append(self._prompt(self.encoder.inputs(request)))
                places.append(index)
            except (ValueError, OSError) as error:
                yield index, [Completion("", "error", error=str(error))] * sampling.n
        params = [self._sampling(requests[index], sampling) for index in places]
        outputs = self.llm.generate(prompts, params, use_tqdm=False) if prompts else []
        seconds = (time.perf_counter() - began) / max(1, len(places) * sampling.n)
        for index, output in zip(places, outputs, strict=True):
            request = requests[index]
            ours = self.encoder.encode(request)
            check_expansion(request, ours, output.prompt_token_ids, self.encoder.tokenizer)
            yield index, [self._completion(answer, len(ours), seconds) for answer in output.outputs]

    def _prompt(self, inputs: Inputs) -> dict[str, Any]:
        media: dict[str, list[Any]] = {}
        if inputs.images:
            media["image"] = inputs.images
        if inputs.clips:
            media["video"] = [(np.stack(c), _described(m)) for c, m in zip(inputs.clips, inputs.metadata, strict=True)]
        ids = [*self.encoder.tokenizer.encode(inputs.text, add_special_tokens=False), *inputs.turn_ids]
        options = {"multi_modal_data": media, "mm_processor_kwargs": inputs.sizes} if media else {}
        return {"prompt_token_ids": ids, **options}

    def _sampling(self, request: Request, sampling: Sampling) -> Any:
        return self._params(
            n=sampling.n, temperature=sampling.temperature, top_p=sampling.top_p, max_tokens=sampling.max_tokens,
            seed=seed_of(turn_id(request), request.answer, sampling), logprobs=0, logit_bias=self.bans,
            detokenize=False,
        )  # fmt: skip

    def _completion(self, answer: Any, prompt_tokens: int, seconds: float) -> Completion:
        finish = FINISHES.get(answer.finish_reason, "error")
        problem = f"vLLM ended the answer with {answer.finish_reason!a:.80}" if finish == "error" else ""
        plain = Completion("", finish, prompt_tokens=prompt_tokens, seconds=seconds, error=problem)
        ids = tuple(answer.token_ids)
        logps = tuple(by_id[token].logprob for token, by_id in zip(ids, answer.logprobs, strict=True))
        return with_tokens(plain, ids, logps, self.encoder.tokenizer)


def _described(metadata: Any) -> dict[str, Any]:
    """A clip's metadata as vLLM wants them: its frames are taken as they are."""
    total = max(metadata.total_num_frames, len(metadata.frames_indices))
    return {
        "fps": metadata.fps, "duration": metadata.duration, "frames_indices": list(metadata.frames_indices),
        "total_num_frames": total, "do_sample_frames": False,
    }  # fmt: skip
