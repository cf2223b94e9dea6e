"""`data convert`: official layout → a folder that `check`, `stats` and `show` read."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from onethinker.cli.data import data_app
from onethinker.data.sources import SOURCES, read
from onethinker.data.sources.convert import convert
from onethinker.sample import DataError, load_samples
from tests.amount import many

Put = Callable[[str, Any], Path]


@pytest.fixture
def charades(put: Put, tmp_path: Path) -> Path:
    frames = [np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20)]
    put("root/Charades_v1_480/AAAAA.mp4", frames)
    put("root/charades_sta_test.txt", "AAAAA 0.5 1.5##it gets light.\nAAAAA 0.0 1.0##it is dark.\n")
    return tmp_path / "root"


def run(*words: Any) -> tuple[int, str]:
    result = CliRunner().invoke(data_app, [str(word) for word in words])
    return result.exit_code, result.output


def test_the_folder_is_whole_and_the_other_verbs_read_it(charades: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text = run("convert", "charades-sta", charades, "--split", "test", "--out", out)
    assert (code, "2 samples, 0 media missing" in text) == (0, True)
    assert list(load_samples(out)) == list(read("charades-sta", charades, "test"))
    clip = "Charades_v1_480/AAAAA.mp4"
    assert (out / clip).samefile(charades / clip)
    code, text = run("check", out)
    assert (code, text.splitlines()[-1]) == (0, "nothing wrong")
    assert "temporal_grounding" in run("stats", out)[1]
    assert run("show", out, "--out", tmp_path / "page.html")[0] == 0
    assert (tmp_path / "page.html").read_text().count("<img") >= 2
    assert convert("charades-sta", charades, "test", out, limit=1).samples == 1  # again, over itself


def test_masks_survive(put: Put, tmp_path: Path) -> None:
    polygon = [[4.0, 4.0, 30.0, 4.0, 30.0, 20.0, 4.0, 20.0]]
    put("root/refcoco/instances.json", {
        "images": [{"id": 7, "file_name": "a.png", "width": 48, "height": 32}],
        "annotations": [{"id": 70, "bbox": [4, 4, 26, 16], "segmentation": polygon}],
    })  # fmt: skip
    refs = [{"ref_id": 1, "ann_id": 70, "image_id": 7, "split": "val", "sentences": [{"sent_id": 1, "sent": "box"}]}]
    put("root/refcoco/refs(unc).p", pickle.dumps(refs))
    put("root/train2014/a.png", np.zeros((32, 48, 3), np.uint8))
    out = tmp_path / "out"
    assert convert("refcoco-segmentation", tmp_path / "root", "val", out).missing == ()
    assert list(load_samples(out)) == list(read("refcoco-segmentation", tmp_path / "root", "val"))
    assert run("check", out)[0] == 0


def test_missing_media_are_named_and_their_samples_stay(charades: Path, put: Put, tmp_path: Path) -> None:
    put("root/charades_sta_test.txt", "AAAAA 0 1##x.\nBBBBB 0 1##y.\n")
    code, text = run("convert", "charades-sta", charades, "--split", "test", "--out", tmp_path / "out")
    assert code == 1
    assert "missing: sample test-1: " in text and "BBBBB.mp4" in text and "2 samples, 1 media missing" in text
    assert len(load_samples(tmp_path / "out")) == 2


def test_another_disk_gets_copies(charades: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(os, "link", refuse)
    for _ in range(2):
        convert("charades-sta", charades, "test", tmp_path / "out")
    clip = "Charades_v1_480/AAAAA.mp4"
    assert (tmp_path / "out" / clip).read_bytes() == (charades / clip).read_bytes()
    assert not (tmp_path / "out" / clip).samefile(charades / clip)


def test_a_name_that_is_taken(charades: Path, put: Put, tmp_path: Path) -> None:
    put("out/Charades_v1_480/AAAAA.mp4", b"another")
    with pytest.raises(DataError, match="another file than"):
        convert("charades-sta", charades, "test", tmp_path / "out")
    with pytest.raises(DataError, match="limit is 0"):
        convert("charades-sta", charades, "test", tmp_path / "out", limit=0)


def test_links_that_lead_out_of_the_root_are_refused(charades: Path, tmp_path: Path) -> None:
    clip = charades / "Charades_v1_480/AAAAA.mp4"
    clip.rename(tmp_path / "secret.mp4")
    clip.symlink_to(tmp_path / "secret.mp4")
    with pytest.raises(DataError, match=r"charades_sta_test\.txt, line 1: .*leaves the media root"):
        convert("charades-sta", charades, "test", tmp_path / "out")


def test_the_list_of_sources_names_each_and_one_shows_its_layout() -> None:
    code, text = run("sources")
    assert code == 0 and len(text.splitlines()) == len(SOURCES) + 1
    assert [s.name for s in SOURCES.values() if f"{s.name} · {s.task}" not in text] == []
    for source in list(SOURCES.values())[:: many(1, 20)]:
        code, alone = run("sources", source.name)
        assert code == 0 and alone.startswith(f"{source.name} · ")
        assert all(line.strip() in alone for line in source.layout.splitlines())
        assert len(alone.splitlines()) == 2 + len(source.layout.splitlines())
