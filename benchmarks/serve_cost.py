"""What HTTP costs one client, in processor time: the same questions one by one by the library and over HTTP, in turn.

    python -m benchmarks.serve_cost [--model mini-rl] [--questions 6] [--rounds 3]

Server, engine and client are one process, so that its processor time is that of all three; only the decoder of uploads
is another, some 3 ms a picture. Every question's picture is a fresh file: nothing of an earlier round is remembered.
"""

from __future__ import annotations

import argparse
import base64
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.serve import MAX_TOKENS, work


@contextmanager
def served(model: Any) -> Iterator[httpx2.Client]:
    """A client of the model's server, which runs in a thread of this process."""
    import uvicorn

    from onethinker.serve.app import make_app

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        config = uvicorn.Config(make_app(model, "m"), log_level="warning", ws="none", lifespan="on")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        with httpx2.Client(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1", timeout=600) as http:
            yield http
        server.should_exit = True
        thread.join(30)


def one_by_one(model: Any, asked: Sequence[tuple[Path, str]], folder: Path) -> None:
    from onethinker.engines.base import Request, Sampling

    for number, (file, prompt) in enumerate(asked):
        fresh = Path(shutil.copy(file, folder / f"{time.monotonic_ns()}-{number}.png"))
        request = Request("ask", f"<image>{prompt}", (fresh,), model.budget)
        list(model.engine.answer([request], Sampling(max_tokens=MAX_TOKENS)))


def over_http(http: httpx2.Client, asked: Sequence[tuple[Path, str]]) -> None:
    for file, prompt in asked:
        url = f"data:image/png;base64,{base64.b64encode(file.read_bytes()).decode()}"
        content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": prompt}]
        body = {"model": "m", "messages": [{"role": "user", "content": content}], "temperature": 0,
                "max_tokens": MAX_TOKENS}  # fmt: skip
        http.post("chat/completions", json=body).raise_for_status()


def timed(act: Callable[[], None]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini-rl")
    parser.add_argument("--questions", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    from onethinker.inference import load_model

    model = load_model(args.model)
    with tempfile.TemporaryDirectory() as name, served(model) as http:
        folder = Path(name)
        asked = work(args.questions, folder / "world", model)
        one_by_one(model, asked, folder)  # warm
        over_http(http, asked)
        for _ in range(args.rounds):
            library, server = timed(lambda: one_by_one(model, asked, folder)), timed(lambda: over_http(http, asked))
            print(f"{len(asked)} questions: one by one {library:.2f} s, over HTTP {server:.2f} s", flush=True)


if __name__ == "__main__":
    main()
