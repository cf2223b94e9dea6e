"""What CONTRIBUTING.md and docs/own_estimator.md say to paste works when pasted: exactly their code blocks are run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from onethinker.util.runs import RunError, open_run

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.S | re.M)


def pasted(page: str, name: str, folder: Path) -> str:
    """The page's one Python block in a file of that name, its shell blocks run there; what they printed."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    (python,) = (text for kind, text in blocks if kind == "python")
    shell = "".join(text for kind, text in blocks if kind == "bash")
    assert name in shell and {kind for kind, _ in blocks} == {"python", "bash"}
    (folder / name).write_text(python)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PAGER": "cat"}
    done = subprocess.run(
        ["bash", "-euc", shell], cwd=folder, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_task_and_a_reward_of_ones_own(tmp_path):
    told = pasted("CONTRIBUTING.md", "yes_no.py", tmp_path)
    assert "yes_no" in told and "right_only" in told
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert [(row["status"], row["reward"]) for row in rows] == [("ok", 1.0), ("ok", 0.0)]


def test_an_estimator_of_ones_own(tmp_path):
    pasted("docs/own_estimator.md", "asymmetric.py", tmp_path)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["recipe"]["rl"]["algorithm"] == "asymmetric" and list(config["plugins"]) == ["asymmetric.py"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [1, 2]
    with pytest.raises(RunError, match=r"plugins\.asymmetric\.py"):
        open_run(tmp_path / "run", config | {"plugins": {"asymmetric.py": "another"}})
