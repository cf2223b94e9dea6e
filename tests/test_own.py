"""What CONTRIBUTING.md and docs/own_estimator.md say to paste works when pasted: exactly their code blocks are run.

Slowly as a person runs them; else the shell runs all but `onethinker`, which is called in this process.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.tasks import TASKS
from onethinker.tasks.rewards import REWARDS
from onethinker.train.advantage import ALGORITHMS
from onethinker.util import plugins
from onethinker.util.plugins import plugin_first
from onethinker.util.runs import RunError, open_run

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)
NOTE = 'onethinker() { printf "%s\\0" "$@" >> calls; echo >> calls; }\n'
"""A shell function in the command's place, which writes down its words."""


@pytest.fixture(params=["here", pytest.param("in a shell", marks=pytest.mark.slow)])
def whole(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[bool]:
    """Whether all is left to the shell. Nothing that a plugin registers here stays."""
    registries = (TASKS, REWARDS, ALGORITHMS)
    before = [dict(registry) for registry in registries]
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PAGER", "cat")
    monkeypatch.chdir(tmp_path)
    yield request.param != "here"
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


def pasted(page: str, name: str, whole: bool) -> str:
    """The page's one Python block in a file of that name, its shell blocks run there; what they printed."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    (python,) = (text for kind, text in blocks if kind == "python")
    shell = "".join(text for kind, text in blocks if kind == "bash")
    assert name in shell and {kind for kind, _ in blocks} == {"python", "bash"}
    Path(name).write_text(python)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", shell if whole else NOTE + shell], env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout if whole else done.stdout + "".join(map(_called, Path("calls").read_text().splitlines()))


def _called(words: str) -> str:
    done = CliRunner().invoke(app, plugin_first(words.split("\0")[:-1]))
    assert done.exit_code == 0, (words, done.output, done.exception)
    return done.output


def test_a_task_and_a_reward_of_ones_own(whole, tmp_path):
    told = pasted("CONTRIBUTING.md", "yes_no.py", whole)
    assert "yes_no" in told and "right_only" in told
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert [(row["status"], row["reward"]) for row in rows] == [("ok", 1.0), ("ok", 0.0)]


@pytest.mark.slow
def test_an_estimator_of_ones_own(whole, tmp_path):
    pasted("docs/own_estimator.md", "asymmetric.py", whole)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["rl"]["algorithm"] == "asymmetric" and list(config["plugins"]) == ["asymmetric.py"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    with pytest.raises(RunError, match=r"plugins\.asymmetric\.py"):
        open_run(tmp_path / "run", config | {"plugins": {"asymmetric.py": "another"}})
