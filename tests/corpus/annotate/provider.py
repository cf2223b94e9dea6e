"""A provider of chat completions that bills, and misbehaves as told: for tests of annotation and its trials."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = (
    "error", "limit", "stall", "truncate", "drop", "not_json", "no_choices", "no_usage", "wrong_usage", "huge",
)  # fmt: skip
"""What can go wrong with a request; `error`, `truncate`, `drop`, `not_json`, `no_choices` and `huge` after it was
billed, `limit` before."""

Script = Callable[[Mapping[str, Any], int], str]
"""The request's body and the number of the choice → its text."""


def plain_script(body: Mapping[str, Any], number: int) -> str:
    return f"<think>one two three four five six seven eight {number}</think><answer>A</answer>"


@dataclass
class Provider:
    """script: what it answers. faults: the share of requests that meet each of FAULTS. stall: seconds. prices are per
    token in 10⁻¹² dollars; billed: what it charges for, by request (a hash of the body without n and seed).

    A prompt is billed as one token for each byte of its words, the most that there can be, and 100 a picture, an answer
    as one for each word.
    """

    script: Script = plain_script
    faults: Mapping[str, float] = field(default_factory=dict)
    seed: int = 0
    stall: float = 0.0
    price_in: int = 1_000_000
    price_out: int = 4_000_000
    models: Any = field(default_factory=lambda: {"data": [{"id": "teacher"}]})
    before: Callable[[str, Mapping[str, Any]], None] = lambda key, body: None
    key: str = ""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.random = random.Random(self.seed)
        self.cost = self.tokens = 0
        self.billed: Counter[str] = Counter()
        self.asked: list[dict[str, Any]] = []
        self.headers: dict[str, str] = {}
        self.now = self.most = 0
        self.batches = BatchForm(self)
        self.replies: list[tuple[int, Any, dict[str, str]]] = []
        """Given before all else, in order: status, body, headers."""
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_GET(self) -> None:
                if self.path.startswith(("/v1/batches", "/v1/files")):
                    self._send(200, provider.batches.get(self.path))
                else:
                    self._send(200, json.dumps(provider.models).encode())

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.startswith(("/v1/batches", "/v1/files")):
                    self._send(200, provider.batches.post(self.path, sent))
                    return
                body = json.loads(sent)
                with provider.lock:
                    provider.now += 1
                    provider.most = max(provider.most, provider.now)
                    provider.asked.append(body)
                    provider.key = self.headers["Authorization"] or ""
                    provider.headers = dict(self.headers)
                try:
                    provider.answer(self, body)
                except OSError:
                    pass  # the asker was killed
                finally:
                    with provider.lock:
                        provider.now -= 1

            def _send(self, status: int, data: bytes, headers: Mapping[str, str] = {}, size: int = 0) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(size or len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()

    def fault(self) -> str:
        with self.lock:
            at = self.random.random()
        for name, share in self.faults.items():
            if at < share:
                return name
            at -= share
        return ""

    def answer(self, handler: Any, body: Mapping[str, Any]) -> None:
        key = key_of(body)
        self.before(key, body)
        with self.lock:
            said = self.replies.pop(0) if self.replies else None
        if said is not None:
            status, content, headers = said
            handler._send(status, json.dumps(content).encode(), headers)
            return
        fault = self.fault()
        if fault == "limit":
            handler._send(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "0.01"})
            return
        reply = self._bill(key, body)
        self._spoil(handler, fault, reply)

    def _bill(self, key: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The true reply, charged for whether or not it arrives."""
        limit = body.get("max_tokens") or body["max_completion_tokens"]
        texts = [" ".join(self.script(body, i).split(" ")[:limit]) for i in range(body["n"])]
        prompt, answer = prompt_tokens(body), sum(len(text.split(" ")) for text in texts)
        with self.lock:
            self.billed[key] += 1
            self.tokens += prompt + answer
            self.cost += prompt * self.price_in + answer * self.price_out
        choices = [{"index": i, "message": {"content": t}, "finish_reason": "stop"} for i, t in enumerate(texts)]
        return {"choices": choices, "usage": {"prompt_tokens": prompt, "completion_tokens": answer}}

    def _spoil(self, handler: Any, fault: str, reply: dict[str, Any]) -> None:
        whole = json.dumps(reply).encode()
        if fault == "error":
            handler._send(self.random.choice((500, 502, 503, 504)), b'{"error": {"message": "broke"}}')
        elif fault == "truncate":
            handler._send(200, whole[: len(whole) // 2], size=len(whole))
        elif fault == "drop":
            handler.connection.close()
        elif fault == "not_json":
            handler._send(200, b"<html>busy</html>")
        elif fault == "no_choices":
            handler._send(200, json.dumps(reply | {"choices": []}).encode())
        elif fault == "no_usage":
            handler._send(200, json.dumps({"choices": reply["choices"]}).encode())
        elif fault == "wrong_usage":
            lie = self.random.choice(({"prompt_tokens": -5, "completion_tokens": "many"}, {}, [1], None,
                                      {"prompt_tokens": 0, "completion_tokens": 0}))  # fmt: skip
            handler._send(200, json.dumps(reply | {"usage": lie}).encode())
        elif fault == "huge":
            handler._send(200, b'{"choices": "' + b"x" * (17 << 20) + b'"}')
        else:
            if fault == "stall":
                time.sleep(self.stall)
            handler._send(200, whole)


class BatchForm:
    """Files and batches. after: looks at a batch before it is completed. spoil(custom_id, response) → what stands in
    the output file for it, None for no line. hidden: a batch that was made is in no list and its making is not
    confirmed."""

    def __init__(self, provider: Provider) -> None:
        self.provider, self.after = provider, 1
        self.files: dict[str, bytes] = {}
        self.made: dict[str, dict[str, Any]] = {}
        self.looks: Counter[str] = Counter()
        self.status = "completed"
        self.spoil: Callable[[str, dict[str, Any]], dict[str, Any] | None] = lambda custom_id, response: response
        self.on_made: Callable[[], None] = lambda: None

    def post(self, path: str, sent: bytes) -> bytes:
        if path.startswith("/v1/files"):
            name = f"file-{len(self.files)}"
            boundary = sent[: sent.index(b"\r\n")]
            parts = [part.partition(b"\r\n\r\n") for part in sent.split(boundary)]
            self.files[name] = next(body for head, _, body in parts if b"filename=" in head).strip()
            return json.dumps({"id": name, "object": "file"}).encode()
        asked = json.loads(sent)
        name = f"batch-{len(self.made)}"
        self.made[name] = {"id": name, "object": "batch", "status": "in_progress", "metadata": asked["metadata"],
                           "input_file_id": asked["input_file_id"]}  # fmt: skip
        self.on_made()
        return json.dumps(self.made[name]).encode()

    def get(self, path: str) -> bytes:
        parts = path.partition("?")[0].strip("/").split("/")
        if parts[1] == "files":
            return self.files[parts[2]]
        if len(parts) == 2:
            return json.dumps({"object": "list", "data": list(self.made.values()), "has_more": False}).encode()
        batch = self.made[parts[2]]
        self.looks[parts[2]] += 1
        if self.looks[parts[2]] > self.after and batch["status"] == "in_progress":
            self._complete(batch)
        return json.dumps(batch).encode()

    def _complete(self, batch: dict[str, Any]) -> None:
        batch["status"] = self.status
        if self.status == "failed":
            return
        rows = []
        for line in self.files[batch["input_file_id"]].splitlines():
            asked = json.loads(line)
            response = {"status_code": 200, "body": self.provider._bill(key_of(asked["body"]), asked["body"])}
            said = self.spoil(asked["custom_id"], response)
            if said is not None:
                rows.append(json.dumps({"custom_id": asked["custom_id"], "response": said, "error": None}))
        name = f"out-{batch['id']}"
        self.files[name] = "\n".join(rows).encode()
        batch["output_file_id"] = name


def key_of(body: Mapping[str, Any]) -> str:
    """What is asked, whatever the number of answers and the seed."""
    content = {k: v for k, v in body.items() if k not in ("n", "seed")}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def prompt_tokens(body: Mapping[str, Any]) -> int:
    total = 8
    for message in body["messages"]:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            total += len(part["text"].encode()) if part["type"] == "text" else 100
    return total
