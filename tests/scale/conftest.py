"""A Ray on this machine for the tests that need one, small enough for a machine that others use too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

SETTINGS = {
    "RAY_worker_niceness": "0",  # Ray would let its workers wait for all else on the machine
    "RAY_memory_monitor_refresh_ms": "0",  # and would kill them for what others take of its memory
    "RAY_raylet_start_wait_time_s": "300",
    "RAY_USAGE_STATS_ENABLED": "0",
}
STORE = 80 << 20
"""Bytes of the object store, about the least that Ray takes."""


@pytest.fixture(scope="module")
def start_ray() -> Iterator[Callable[[int], None]]:
    """`start_ray(2)`: a Ray of so many processors, until the end of the file's tests."""
    ray = pytest.importorskip("ray", reason="needs Ray: pip install 'onethinker[ray]'")

    def start(processors: int) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        ray.init("local", num_cpus=processors, object_store_memory=STORE, log_to_driver=False, include_dashboard=False)

    yield start
    ray.shutdown()
