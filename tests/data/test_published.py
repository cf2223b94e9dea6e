"""The release's files are known by hash and size; what is not known is read all the same."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from onethinker.cli.app import app
from onethinker.data import published
from onethinker.data.published import Published, recognise

ROW = {"problem_id": 1, "problem": "2 + 2?", "data_type": "text", "problem_type": "numerical", "options": [],
       "solution": "<answer>4</answer>", "path": [], "data_source": "x"}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for one of the release's: its hash's ends and its size are known, of another the ends alone."""
    file = tmp_path / "sft.json"
    file.write_text(json.dumps([ROW]))
    digest, size = hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
    known = Published("sft.json", digest[:8], digest[-4:], size), Published("rl.json", digest[:8], digest[-4:])
    monkeypatch.setattr(published, "PUBLISHED", known)
    return file


def test_a_file_is_recognised_whole_and_by_whatever_name(file: Path) -> None:
    assert recognise(file) == f"{file}: the release's sft.json, whole"
    assert recognise(file.rename(file.with_name("renamed.json"))).endswith("the release's sft.json, whole")
    assert recognise(file.with_name("renamed.json").rename(file.with_name("rl.json"))).endswith("sft.json, whole")


def test_a_file_of_that_name_that_differs_is_told_how(file: Path) -> None:
    size = file.stat().st_size
    with file.open("ab") as opened:
        opened.write(b" ")
    assert f"its size is {size + 1:,} bytes, not {size:,}; it is read as it is" in recognise(file)
    file.write_bytes(b"x" * size)
    assert f"its SHA-256 is {hashlib.sha256(b'x' * size).hexdigest()}, not" in recognise(file)
    other = file.with_name("rl.json")
    other.write_bytes(b"y")
    assert "named like the release's rl.json, but its SHA-256 is" in recognise(other)


def test_nothing_is_said_of_an_unknown_file(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine.json"
    other.write_bytes(b"x" * file.stat().st_size)
    assert recognise(other) == "" and recognise(tmp_path) == "" and recognise(tmp_path / "none") == ""


def test_data_check_says_so_and_reads_it_all_the_same(file: Path) -> None:
    found = CliRunner().invoke(app, ["data", "check", str(file)])
    assert found.exit_code == 0 and "nothing wrong" in found.output and "the release's sft.json, whole" in found.output
    with file.open("ab") as opened:
        opened.write(b"\n")
    found = CliRunner().invoke(app, ["data", "check", str(file)])
    assert found.exit_code == 0 and "named like the release's sft.json, but its size" in found.output


def test_what_is_public_of_the_release() -> None:
    known = {each.name: each for each in published.PUBLISHED}
    assert known["onethinker_sft_image.json"].size == 284_614_647
    assert all(len(each.begins) == 8 and len(each.ends) == 4 for each in known.values())
