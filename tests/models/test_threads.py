"""Who decides how many threads a model on the CPU takes."""

from __future__ import annotations

import pytest
import torch

from onethinker.models import threads
from onethinker.models.threads import THREADS, set_threads


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    for name in (THREADS, "OMP_NUM_THREADS", "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_a_small_model_takes_one_and_it_is_said_once(capsys):
    model = torch.nn.Linear(4, 4)
    assert [set_threads(model) for _ in range(2)] == [1, 1] and torch.get_num_threads() == 1
    assert capsys.readouterr().err.count("threads: 1 for the model") == 1


def test_a_large_one_takes_its_processs_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(threads, "SMALL", 1)
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    assert set_threads(torch.nn.Linear(4, 4)) == 8
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert set_threads(torch.nn.Linear(4, 4)) == 2


def test_what_is_given_goes_before_the_rule(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert set_threads(torch.nn.Linear(4, 4)) == 3, "torch has read it"
    monkeypatch.setenv(THREADS, "2")
    assert set_threads(torch.nn.Linear(4, 4)) == 2
    monkeypatch.setenv(THREADS, "many")
    with pytest.raises(ValueError, match="'many': expected a number of threads, 1 or more"):
        set_threads(torch.nn.Linear(4, 4))


def test_a_model_elsewhere_is_left_alone():
    assert set_threads(torch.nn.Linear(4, 4, device="meta")) == 3
