"""The docs as a site and the server's image: what they are made of is there, the site is built without a warning."""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from onethinker.cli.app import app

ROOT = Path(__file__).parent.parent


def test_the_image_is_made_of_what_is_let_in() -> None:
    """Each thing that the Dockerfile copies is there, and .dockerignore keeps nothing of it outside."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [
        word for line in lines if line.startswith("COPY ") and "--from" not in line for word in line.split()[1:-1]
    ]
    assert copied and all((ROOT / name).exists() and name in let_in for name in copied)
    needed = {"pyproject.toml", "README.md", "LICENSE", "onethinker"}  # as pyproject.toml names them
    assert needed <= set(copied)
    assert not any(fnmatch.fnmatch("onethinker/models/weights/mini-rl/model.safetensors", r) for r in rules[1:])


def test_the_image_starts_a_command_that_there_is() -> None:
    text = (ROOT / "Dockerfile").read_text()
    words = json.loads(re.search(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)[1])
    serve = typer.main.get_command(app).commands["serve"]
    options = {option for parameter in serve.params for option in parameter.opts}
    assert words[:2] == ["onethinker", "serve"] and {w for w in words if w.startswith("--")} <= options
    probe = json.loads(re.search(r"CMD (\[\"python\".+\])$", text, re.MULTILINE)[1])
    compile(probe[2], "healthcheck", "exec")


@pytest.mark.slow
def test_the_site(tmp_path: Path) -> None:
    """Every warning is an error; each task has its page with its picture; nothing is loaded from another host."""
    for needed in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(needed, reason="pip install 'onethinker[docs]' brings the site's builder")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-d", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in (ROOT / "docs" / "tasks").glob("*.md"):
        html = (tmp_path / "tasks" / page.stem / "index.html").read_text(encoding="utf-8")
        assert f"images/tasks/{page.stem}.png" in html
    text = (tmp_path / "reference" / "use" / "index.html").read_text(encoding="utf-8")
    assert "load_model" in text and "A shipped name, a folder, a hub id" in text
    loaded = r"<(?:script|link|img)[^>]+(?:src|href)=\"https?://[^\"]+"
    found = {hit for file in tmp_path.rglob("*.html") for hit in re.findall(loaded, file.read_text(encoding="utf-8"))}
    assert not {hit for hit in found if "canonical" not in hit}
