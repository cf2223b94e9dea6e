"""Greedy answers of the local engine and of a vLLM server on the same questions, token for token.

    python -m benchmarks.vllm_agreement --server http://127.0.0.1:8000/v1 --model DIR --data world/test --limit 130

The server serves DIR in float32 (docs/vllm.md has the command). Each way in which clips can be sent is asked once; an
answer that differs is put down to its prompt (another expansion of the media), to rounding (the local model holds the
two tokens equally likely, to 1e-3), or to its pixels (coding, resizing or scaling on the way).
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from onethinker.engines.base import Completion, Request, Sampling
from onethinker.engines.encode import Encoder, Prompt
from onethinker.engines.local import LocalEngine
from onethinker.engines.openai import CLIPS, OpenAIEngine, read_completions
from onethinker.engines.vllm import VllmServer, with_tokens
from onethinker.models.forward import banned_ids
from onethinker.models.load import load
from onethinker.recipes import SHIPPED
from onethinker.sample import load_samples
from onethinker.scoring.rollout import make_request
from onethinker.tasks.prompts import load_prompts
from onethinker.train.prefix import TokenGroup, answer_logps

WAYS = ("rl.engine=vllm", *CLIPS)
ROUNDING = 1e-3
"""Nats between two tokens that count as equally likely."""


class Told(OpenAIEngine):
    """The openai engine, with the token ids that a vLLM gives if asked to. prompts: as the server expands them."""

    tokenizer: Any
    prompts: dict[str, list[int]]

    def _body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        return super()._body(request, sampling) | {"return_token_ids": True, "logprobs": True}

    def _read(self, request: Request, reply: Any) -> list[Completion]:
        self.prompts[request.id] = reply["prompt_token_ids"]
        (choice,), (plain,) = reply["choices"], read_completions(reply)
        logps = tuple(token["logprob"] for token in choice["logprobs"]["content"])
        return [with_tokens(plain, tuple(choice["token_ids"]), logps, self.tokenizer)]


@dataclass
class Row:
    """What one way gave for one kind of media. worst: of |Δ log p| over the tokens before a first difference."""

    asked: int = 0
    prompts: int = 0
    answers: int = 0
    worst: float = 0.0
    causes: Counter[str] = field(default_factory=Counter)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--limit", type=int, default=130)
    parser.add_argument("--max-tokens", type=int, default=128)
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    samples, prompts, budget = load_samples(given.data), load_prompts("short"), SHIPPED["mini"].media
    chosen = random.Random(0).sample(range(len(samples)), min(given.limit, len(samples)))
    requests = [make_request(samples[i], samples, prompts, budget) for i in chosen]
    kinds = [samples[i].modality for i in chosen]
    model, processor = load(given.model, device="cpu")
    encoder, sampling = Encoder(processor), Sampling(max_tokens=given.max_tokens)
    ours = answers(LocalEngine(model, encoder), requests, sampling)
    print("| clips sent as | media | questions | same prompt | same answer | worst Δ log p | differences |")
    print("|---|---|---:|---:|---:|---:|---|")
    for way in given.ways:
        theirs, expanded = ask(way, given.server, encoder, requests, sampling)
        table: dict[str, Row] = {}
        for i, kind in enumerate(kinds):
            prompt = encoder.encode(requests[i])
            same = expanded is None or expanded.get(requests[i].id) == prompt.ids_T.tolist()
            compare(table.setdefault(kind, Row()), model, encoder, prompt, same, ours[i], theirs[i])
        for kind, row in sorted(table.items()):
            causes = ", ".join(f"{count} {cause}" for cause, count in row.causes.items()) or "none"
            print(f"| {way} | {kind} | {row.asked} | {row.prompts} | {row.answers} | {row.worst:.1e} | {causes} |")


def ask(
    way: str, address: str, encoder: Encoder, requests: Sequence[Request], sampling: Sampling
) -> tuple[list[Completion], dict[str, list[int]] | None]:
    """The server's answers, and its prompts where the engine does not check them itself."""
    if way.startswith("rl"):
        return answers(VllmServer.connect(address, encoder), requests, sampling), None
    engine = Told.load(address, clips=way)
    engine.tokenizer, engine.prompts = encoder.tokenizer, {}
    return answers(engine, requests, sampling), engine.prompts


def answers(engine: Any, requests: Sequence[Request], sampling: Sampling) -> list[Completion]:
    found = {index: made[0] for index, made in engine.answer(requests, sampling)}
    return [found[i] for i in range(len(requests))]


def compare(
    row: Row, model: Any, encoder: Encoder, prompt: Prompt, same: bool, ours: Completion, theirs: Completion
) -> None:
    row.asked += 1
    row.prompts += same
    row.answers += ours.token_ids == theirs.token_ids
    pairs = list(zip(ours.token_ids, theirs.token_ids))
    place = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
    away = (abs(a - b) for a, b in zip(ours.logps[:place], theirs.logps[:place]))
    row.worst = max([row.worst, *away])
    if theirs.finish == "error":
        row.causes[f"error ({theirs.error[:60]})"] += 1
    elif ours.token_ids != theirs.token_ids:
        gap = (ours.logps[place] - _logp(model, encoder, prompt, theirs.token_ids[: place + 1])) if same else 0.0
        row.causes["prompt" if not same else "rounding" if gap < ROUNDING else "pixels"] += 1


@torch.no_grad()
def _logp(model: Any, encoder: Encoder, prompt: Prompt, ids: tuple[int, ...]) -> float:
    """The local model's log-probability of the last of these tokens."""
    logps, _ = answer_logps(model, [TokenGroup(prompt, [ids])], banned=banned_ids(encoder.tokenizer))
    return float(logps[-1])


if __name__ == "__main__":
    main()
