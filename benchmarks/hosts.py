"""Two hosts with addresses of their own and a cable between them that is pulled for 20 seconds, on one Linux machine.

    sudo python -m benchmarks.hosts --model mini-sft --out runs/hosts
    sudo python -m benchmarks.hosts --model mini-sft --out runs/hosts --only evaluation --seconds 60

Two network namespaces, each with one end of a cable to a bridge in a third. `training`: SFT by torchrun with one worker
on each host, undisturbed and with the cable out after the third step; the weights are compared. `evaluation`: a server
on one host is asked from the other, the same way; the answers are compared. A command that fails is told and given once
more, as a user would. Ends with 0 and a reason where namespaces are not permitted.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HOSTS = {"ot-a": "10.77.0.1", "ot-b": "10.77.0.2"}
SWITCH = "ot-switch"
A, B = HOSTS
TOKEN = "of-this-trial-alone"
WAIT = 3600.0
"""Seconds that a command may take."""


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@contextmanager
def network() -> Iterator[None]:
    """The hosts and their cables. Raises CalledProcessError where that is not permitted, and leaves nothing behind."""
    with ExitStack() as stack:
        for name in (SWITCH, *HOSTS):
            ip("netns", "add", name)
            stack.callback(subprocess.run, ["ip", "netns", "del", name], check=False)
        ip("-n", SWITCH, "link", "add", "bridge", "type", "bridge")
        ip("-n", SWITCH, "link", "set", "bridge", "up")
        for name, address in HOSTS.items():
            ip("-n", name, "link", "add", "eth0", "type", "veth", "peer", "name", name, "netns", SWITCH)
            ip("-n", SWITCH, "link", "set", name, "master", "bridge", "up")
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                ip("-n", name, "link", "set", device, "up")
        yield


def pull_cable(seconds: float) -> None:
    """No packet reaches host B or leaves it for so long; the hosts' own interfaces stay as they are."""
    ip("-n", SWITCH, "link", "set", B, "down")
    time.sleep(seconds)
    ip("-n", SWITCH, "link", "set", B, "up")


def start(host: str, words: list[str], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """A command on a host; what it says goes to the log."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "eth0", "PYTHONUNBUFFERED": "1"}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.Popen(
            ["ip", "netns", "exec", host, sys.executable, "-m", *words], stdout=file, stderr=subprocess.STDOUT,
            env=environment | variables,
        )  # fmt: skip


def finish(running: list[subprocess.Popen[bytes]]) -> int:
    """Wait for all; the first status that is not 0. One that fails leaves the others a minute to say so too."""
    until = time.monotonic() + WAIT
    while any(process.poll() is None for process in running) and time.monotonic() < until:
        if any(process.poll() for process in running):
            until = min(until, time.monotonic() + 60)
        time.sleep(0.2)
    for process in running:
        if process.poll() is None:
            process.kill()
    return next((status for process in running if (status := process.wait())), 0)


def lines_of(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def watch(file: Path, lines: int, seconds: float, still: Callable[[], bool]) -> threading.Thread:
    """Pulls the cable once the file has so many lines, unless the command has ended by then."""

    def work() -> None:
        while still() and lines_of(file) < lines:
            time.sleep(0.05)
        if still():
            print(f"  {file.name} has {lines_of(file)} lines: cable out for {seconds:g} s", flush=True)
            pull_cable(seconds)
            print(f"  cable in, {lines_of(file)} lines", flush=True)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def trial(
    begin: Callable[[Path], list[subprocess.Popen[bytes]]], out: Path, file: str, lines: int, seconds: float
) -> dict[str, Any]:
    """Carry a command out, cable pulled if `seconds`, and once more if it failed; how it went."""
    began, statuses = time.monotonic(), list[int]()
    while not statuses or (statuses[-1] and len(statuses) < 2):
        running = begin(out)
        alive = lambda running=running: all(process.poll() is None for process in running)  # noqa: E731
        pulling = watch(out / file, lines, seconds, alive) if seconds and not statuses else None
        statuses.append(finish(running))
        if pulling:
            pulling.join()
    return {"statuses": statuses, "seconds": round(time.monotonic() - began, 1), "lines": lines_of(out / file)}


# ---- training ---------------------------------------------------------------------------------------------------


def training(options: argparse.Namespace, data: Path, folder: Path) -> None:
    def begin(out: Path) -> list[subprocess.Popen[bytes]]:
        keys = [f"sft.steps={options.steps}", "sft.batch=8", "sft.save_every=2", "sft.optimizer.kind=adamw",
                "sft.optimizer.lr=1e-5", "watch=[]", "parallel=ddp"]  # fmt: skip
        words = ["onethinker", "sft", "mini", "--model", options.model, "--data", str(data), "--out", str(out),
                 "--device", "cpu", *(word for key in keys for word in ("--set", key))]  # fmt: skip
        group = ["torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1", "--master-addr", HOSTS[A],
                 "--master-port", "29511"]  # fmt: skip
        return [
            start(host, [*group, "--node-rank", str(rank), "-m", *words], out.parent / f"{out.name}-{host}.log")
            for rank, host in enumerate(HOSTS)
        ]

    from safetensors.numpy import load_file

    found, weights = {}, {}
    for name, seconds in (("undisturbed", 0.0), ("cable pulled", options.seconds)):
        out = folder / f"training-{name.replace(' ', '-')}"
        found[name] = trial(begin, out, "metrics.jsonl", 3, seconds)
        last = sorted((out / "checkpoints").glob("step-*"))[-1]
        weights[name] = load_file(last / "model.safetensors")
        print(f"training, {name}: {json.dumps(found[name])}, {last.name}", flush=True)
    one, two = weights.values()
    print(f"largest difference of a weight: {max(float(abs(one[k] - two[k]).max()) for k in one):.1e}", flush=True)


# ---- evaluation -------------------------------------------------------------------------------------------------


def evaluation(options: argparse.Namespace, data: Path, folder: Path) -> None:
    serving = start(
        B, ["onethinker", "serve", options.model, "--host", HOSTS[B], "--port", "8077", "--device", "cpu"],
        folder / "serve.log", ONETHINKER_TOKEN=TOKEN,
    )  # fmt: skip

    def begin(out: Path) -> list[subprocess.Popen[bytes]]:
        address = f"http://{HOSTS[B]}:8077/v1?concurrency=4"
        words = ["onethinker", "eval", address, "--as", options.model, "--data", str(data), "--out", str(out)]
        return [start(A, words, out.parent / f"{out.name}.log", OPENAI_API_KEY=TOKEN)]

    try:
        wait_for_server()
        answers = {}
        for name, seconds in (("undisturbed", 0.0), ("cable pulled", options.seconds)):
            out = folder / f"evaluation-{name.replace(' ', '-')}"
            found = trial(begin, out, "results.jsonl", 5, seconds)
            rows = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
            answers[name] = {(row["id"], row["decoding"], row["index"]): row["response"] for row in rows}
            errors = sum(row["finish"] == "error" for row in rows)
            print(f"evaluation, {name}: {json.dumps(found)}, {len(answers[name])} answers, {errors} errors", flush=True)
        one, two = answers.values()
        print(f"answers that differ: {sum(one[key] != two.get(key) for key in one)} of {len(one)}", flush=True)
    finally:
        serving.terminate()
        serving.wait()


def wait_for_server() -> None:
    """Until the server answers, asked from the other host."""
    ask = f"import urllib.request as u; u.urlopen('http://{HOSTS[B]}:8077/readyz', timeout=5)"
    until = time.monotonic() + WAIT
    while subprocess.run(
        ["ip", "netns", "exec", A, sys.executable, "-c", ask], capture_output=True, check=False
    ).returncode:
        if time.monotonic() > until:
            raise TimeoutError("the server did not come up; see serve.log")
        time.sleep(2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini-sft", help="a shipped name or a folder")
    parser.add_argument("--out", type=Path, default=Path("runs/hosts"))
    parser.add_argument("--only", choices=["training", "evaluation"], help="one of the two trials")
    parser.add_argument("--seconds", type=float, default=20.0, help="that the cable is out")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--questions", type=int, default=40)
    options = parser.parse_args()
    folder = options.out.absolute()
    with ExitStack() as stack:
        try:
            stack.enter_context(network())
        except (OSError, subprocess.CalledProcessError) as error:
            said = getattr(error, "stderr", "") or error
            print(f"skipped: this machine does not let us make network namespaces ({str(said).strip()}); try with sudo")
            return
        data = folder / "world"
        if not data.exists():
            words = ["data", "world", "--n", str(options.questions), "--seed", "5", "--out", str(data)]
            subprocess.run([sys.executable, "-m", "onethinker", *words], check=True, stdout=subprocess.DEVNULL)
        for name, run in {"training": training, "evaluation": evaluation}.items():
            if options.only in (None, name):
                run(options, data / "train", folder)


if __name__ == "__main__":
    main()
