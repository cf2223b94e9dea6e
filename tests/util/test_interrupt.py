"""Ctrl-C and SIGTERM, sent to real processes: in order the first time, at once the second."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from onethinker.measure import equations
from onethinker.util.interrupt import Interrupted, finish_step, kept

STEPS = """
import sys, time
from onethinker.util.interrupt import Interrupted, finish_step, take_signals
take_signals()
try:
    with finish_step("SFT") as asked:
        for step in range(1000):
            print(step, flush=True)
            time.sleep(float(sys.argv[1]))
            if asked():
                raise Interrupted(f"step {step} is saved", 128 + asked())
except Interrupted as stop:
    print(stop)
    sys.exit(stop.status)
"""


IN_A_CALLBACK = """
import os, sys, time
from onethinker.util.interrupt import Interrupted, take_signals

class Ends:
    def __del__(self):
        os.kill(os.getpid(), int(sys.argv[1]))
        sum(range(1000))

take_signals()
try:
    ends = Ends()
    del ends
    time.sleep(60)
    print("went on")
except Interrupted as stop:
    print("interrupted")
    sys.exit(stop.status)
"""


def _started(seconds: float, rank: int = 0) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", STEPS, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"RANK": str(rank)},
    )  # fmt: skip
    assert child.stdout is not None and child.stdout.readline() == "0\n"
    return child


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_lets_the_step_be_finished_and_saved(number: int) -> None:
    child = _started(0.05)
    child.send_signal(number)
    out, err = child.communicate(timeout=60)
    assert out.splitlines()[-1].endswith("is saved") and child.returncode == 128 + number
    assert "finishes this step and saves it" in err and "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_of_a_del_is_not_lost(number: int) -> None:
    """Python drops what a `__del__` raises; the imports at a command's start make thousands of them."""
    command = [sys.executable, "-c", IN_A_CALLBACK, str(int(number))]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (child.stdout, child.stderr, child.returncode) == ("interrupted\n", "", 128 + number)


def test_of_several_processes_the_first_speaks() -> None:
    child = _started(0.05, rank=1)
    child.send_signal(signal.SIGINT)
    _, err = child.communicate(timeout=60)
    assert child.returncode == 128 + signal.SIGINT and err == ""


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ends_at_once(second: int) -> None:
    child = _started(600)
    assert child.stderr is not None
    child.send_signal(signal.SIGINT)
    child.stderr.readline()
    assert "again ends at once" in child.stderr.readline()
    child.send_signal(second)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 128 + second and "saved" not in out and "Traceback" not in err


def test_handlers_are_put_back_and_other_threads_go_without() -> None:
    before = signal.getsignal(signal.SIGINT)
    with finish_step("RL") as asked:
        assert asked() == 0
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked() == signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is before
    found = []

    def work() -> None:
        with finish_step("RL") as asked:
            found.append(asked())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [0]


def test_what_is_kept_is_said_once_and_the_status_stays() -> None:
    with pytest.raises(Interrupted, match="3 answers") as stopped, kept(lambda: "outer"), kept(lambda: "3 answers"):
        raise Interrupted("interrupted", 143)
    assert stopped.value.status == 143
    with pytest.raises(Interrupted, match="outer") as stopped, kept(lambda: "outer"):
        raise KeyboardInterrupt
    assert stopped.value.status == 130


def test_the_process_behind_mathematics_is_deaf_to_ctrl_c() -> None:
    process = equations._worker._running()
    process.send_signal(signal.SIGINT)
    assert os.getpgid(process.pid) != os.getpgrp()
    assert equations._worker.ask(["equal", "x+x", "2x"], 9.0)[0] is True
    assert equations._worker._process is process
