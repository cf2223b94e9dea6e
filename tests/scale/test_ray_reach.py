"""What is told of a Ray that cannot be joined; what needs Ray itself is in tests/scale."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from onethinker.recipes import SHIPPED
from onethinker.sample import DataError
from onethinker.sample.stream_files import Unreachable
from onethinker.scale import ray as training
from onethinker.scale.ray import check_room
from onethinker.util import ray as ours
from onethinker.util.runs import RunError


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A Ray that is joined by nobody, and whose `init` must not be reached unless a test says what it does."""
    ray = SimpleNamespace(is_initialized=lambda: False, init=lambda *_, **__: pytest.fail("waits for minutes"))
    monkeypatch.setattr(ours, "import_ray", lambda: ray)
    return ray


@pytest.mark.parametrize("address", ["127.0.0.1:{port}", "ray://127.0.0.1:{port}", "ray://localhost:{port}"])
def test_a_head_that_does_not_listen_is_told_at_once(address: str, installed: SimpleNamespace) -> None:
    with socket.socket() as taken:  # and so listens for nobody
        taken.bind(("127.0.0.1", 0))
        address = address.format(port=taken.getsockname()[1])
        with (
            pytest.raises(RunError, match=rf"no Ray at {address} that can be joined \(.*refused"),
            ours.joined(address),
        ):
            pass


@pytest.mark.parametrize("error", [RuntimeError("Version mismatch"), ValueError("no address"), ImportError("grpc")])
def test_what_ray_itself_says_is_told(error: Exception, installed: SimpleNamespace) -> None:
    def init(*_: object, **__: object) -> None:
        raise error

    installed.init = init
    said = f"no Ray at auto that can be joined .{error}.; `ray start --head`"
    with pytest.raises(RunError, match=said), ours.joined("auto"):
        pass


def test_more_workers_than_processors_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    ray: Any = SimpleNamespace(cluster_resources=lambda: {"CPU": 2.0})
    check_room(ray, "local", 2, "CPU")
    with pytest.raises(RunError, match="--workers 3, and Ray on this machine has 2 processors; give --workers 2"):
        check_room(ray, "local", 3, "CPU")
    assert not capsys.readouterr().err
    check_room(ray, "auto", 8, "GPU")
    assert "Ray has 0 GPUs for 8 workers; waiting" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "mended"), [(Unreachable("s3 is away"), False), (RunError("no"), True), (DataError("no"), True)]
)
def test_a_worker_ends_for_good_only_over_what_a_person_must_mend(
    error: Exception, mended: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file system that is away is as a worker that dies: Ray starts all of them again."""

    def opens(*_: object) -> None:
        raise error

    monkeypatch.setattr(training, "open_training", opens)
    here: Any = SimpleNamespace(enter=lambda: None)
    work = training.Training("sft", SHIPPED["mini"], tmp_path, here)
    if mended:
        assert work().problem == "no"
    else:
        with pytest.raises(Unreachable, match="s3 is away"):
            work()
