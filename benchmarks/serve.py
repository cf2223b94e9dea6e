"""A server's answers a second and latency with 1, 8 and 64 clients, beside asking one by one and beside other servers.

    python -m benchmarks.serve [--model mini-rl] [--questions 192] [--clients 1,8,64] [--transformers]
        [--vllm VENV/bin/python] [--write docs/serve.md]

The work is the same for all: questions of a world about its pictures, each sent as a chat with its picture as a data
URL, temperature 0, at most 128 tokens. Each client asks its next question when its last is answered. `ask, one by one`
is the library in this process. p50 and p95 are of a whole answer as the client sees it; `same` is the share of answers
that are `ask`'s to the character. The clients run in this process, on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import numpy as np

from benchmarks.generated import filled
from onethinker.data.worlds import build_world
from onethinker.engines.openai import read_completions
from onethinker.models.shipped import locate
from onethinker.sample import load_samples

MARKS = ("<!-- load -->", "<!-- /load -->")
MAX_TOKENS = 128
PORT = 8873


@dataclass(frozen=True)
class Row:
    """What one server did with so many clients. seconds: of each answer."""

    who: str
    clients: int
    wall: float
    seconds: list[float]
    same: float
    failed: int

    def line(self, base: float) -> str:
        rate = (len(self.seconds)) / self.wall
        p50, p95 = np.percentile(self.seconds, (50, 95)) if self.seconds else (np.nan, np.nan)
        cells = [self.who, str(self.clients), f"{rate:.2f}", f"{rate / base:.1f}×", f"{p50:.2f}", f"{p95:.2f}",
                 f"{self.same:.0%}", str(self.failed)]  # fmt: skip
        return "| " + " | ".join(cells) + " |"


HEAD = "| who | clients | answers/s | of one by one | p50 s | p95 s | same | failed |\n| --- " + "| ---: " * 7 + "|"


def work(count: int, folder: Path, model: Any) -> list[tuple[Path, str]]:
    """(picture, prompt) of a world's test questions about one picture."""
    from onethinker.tasks import get_task

    samples = load_samples(build_world(folder, n=1, seed=11, validation=1, test=2 * count) / "test")
    chosen = [s for s in samples if s.modality == "image" and len(s.media) == 1][:count]
    prompts = [get_task(s.task).prompt(s, model.prompts).replace("<image>", "") for s in chosen]
    return [(samples.root / s.media[0], prompt) for s, prompt in zip(chosen, prompts, strict=True)]


def one_by_one(model: Any, asked: Sequence[tuple[Path, str]]) -> tuple[Row, list[str]]:
    """The library, which opens a picture, encodes and answers one question after the other."""
    from onethinker.engines.base import Request, Sampling

    texts, seconds = [], []
    began = time.perf_counter()
    for file, prompt in asked:
        start = time.perf_counter()
        request = Request("ask", f"<image>{prompt}", (file,), model.budget)
        ((_, (completion,)),) = model.engine.answer([request], Sampling(max_tokens=MAX_TOKENS))
        texts.append(completion.text)
        seconds.append(time.perf_counter() - start)
    return Row("ask, one by one", 1, time.perf_counter() - began, seconds, 1.0, 0), texts


async def load(
    who: str, base: str, name: str, asked: Sequence[tuple[Path, str]], truth: Sequence[str], clients: int
) -> Row:
    """`clients` that take the next question each, until there is none. name: the server's for the model."""
    queue, seconds, texts = list(enumerate(asked))[::-1], list[float](), dict[int, str]()
    async with httpx2.AsyncClient(timeout=600, limits=httpx2.Limits(max_connections=clients)) as http:

        async def client() -> None:
            while queue:
                number, (file, prompt) = queue.pop()
                url = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
                content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prompt}]
                body = {"model": name, "messages": [{"role": "user", "content": content}], "temperature": 0,
                        "max_tokens": MAX_TOKENS}  # fmt: skip
                start = time.perf_counter()
                reply = await http.post(f"{base}/chat/completions", json=body)
                if reply.status_code == 200:
                    texts[number] = read_completions(reply.json())[0].text  # thinking may come apart
                    seconds.append(time.perf_counter() - start)
                elif len(queue) % 20 == 0:
                    print(f"{who}: {reply.status_code} {reply.text[:200]}", file=sys.stderr)

        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(clients)))
        wall = time.perf_counter() - began
    same = np.mean([texts.get(number) == text for number, text in enumerate(truth[: len(asked)])])
    return Row(who, clients, wall, seconds, float(same), len(asked) - len(seconds))


@contextmanager
def served(command: Sequence[str], health: str, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server of its own process, from the moment at which it is healthy."""
    with log.open("w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | environment)
    try:
        for _ in range(600):
            if process.poll() is not None:
                raise SystemExit(f"{command[0]} ended: {log.read_text()[-2000:]}")
            try:
                if httpx2.get(health, timeout=2).status_code == 200:
                    break
            except httpx2.HTTPError:
                pass
            time.sleep(1)
        yield process
    finally:
        process.terminate()
        process.wait(60)


def servers(args: argparse.Namespace, folder: str) -> Iterator[tuple[str, str, list[str], str, dict[str, str]]]:
    """(who, its name for the model, command, health path, environment) of each server."""
    port = ["--port", str(PORT)]
    yield (
        "onethinker serve",
        args.model,
        [sys.executable, "-m", "onethinker", "serve", args.model, *port],
        "/readyz",
        {},
    )
    if args.transformers:
        command = [str(Path(sys.executable).parent / "transformers"), "serve", folder, *port, "--device", "cpu"]
        yield "transformers serve", folder, command, "/health", {"HF_HUB_OFFLINE": "1"}
    if args.vllm:
        command = [
            args.vllm, "-m", "vllm.entrypoints.openai.api_server", "--model", folder, "--host", "127.0.0.1", *port,
            "--enforce-eager", "--max-model-len", "4096", "--limit-mm-per-prompt", '{"image":1,"video":1}',
            "--served-model-name", "mini",
        ]  # fmt: skip
        yield "vLLM (CPU)", "mini", command, "/health", {"VLLM_CPU_KVCACHE_SPACE": "1"}


def measure(args: argparse.Namespace) -> Iterator[str]:
    from onethinker.inference import load_model

    model = load_model(args.model)
    with tempfile.TemporaryDirectory() as folder:
        asked = work(args.questions, Path(folder) / "world", model)
        one_by_one(model, asked[:3])  # warm
        first, truth = one_by_one(model, asked)
        base = len(first.seconds) / first.wall
        yield HEAD
        yield first.line(base)
        for who, name, command, health, environment in servers(args, str(locate(args.model))):
            root = f"http://127.0.0.1:{PORT}"
            with served(command, root + health, Path(folder) / "log", **environment):
                asyncio.run(load(who, f"{root}/v1", name, asked[:4], truth, 2))  # warm
                for clients in args.clients:
                    few = asked if clients > 1 else asked[: max(16, len(asked) // 4)]
                    yield asyncio.run(load(who, f"{root}/v1", name, few, truth, clients)).line(base)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini-rl")
    parser.add_argument("--questions", type=int, default=192)
    parser.add_argument("--clients", type=lambda text: [int(n) for n in text.split(",")], default=[1, 8, 64])
    parser.add_argument("--transformers", action="store_true", help="beside `transformers serve` of this environment")
    parser.add_argument("--vllm", help="beside vLLM, by the Python of its environment")
    parser.add_argument("--write", type=Path, help="the page whose table is made anew")
    args = parser.parse_args()
    lines = []
    for line in measure(args):
        print(line, flush=True)
        lines.append(line)
    if args.write:
        page = args.write.read_text(encoding="utf-8")
        args.write.write_text(filled(page, MARKS, "\n".join(lines)), encoding="utf-8")


if __name__ == "__main__":
    main()
