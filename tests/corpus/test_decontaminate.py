"""What a corpus shares with benchmarks, found by media and by words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.planted import textures
from onethinker.corpus.decontaminate import decontaminate
from onethinker.corpus.texts import hash64, overlaps, runs_of
from onethinker.sample import DataError, Sample, save_samples

QUESTION = "In which of the two rooms that are shown does the tall man put down the heavy bag first?"


def sample(id: str, question: str, media: str, source: str) -> Sample:
    return Sample(id, "spatial_grounding", "image", question, '{"boxes": [1, 2, 300, 400]}', (), (media,), source)


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A corpus of which one picture and one question are a benchmark's, and the benchmarks' root."""
    made = [picture for _, picture in textures(4)]
    corpus, root = tmp_path / "corpus", tmp_path / "data" / "onethinker-eval"
    corpus.mkdir()
    root.mkdir(parents=True)
    for at, picture in enumerate(made[:3]):
        picture.save(corpus / f"{at}.png")
    copy = made[0].resize((round(made[0].width * 0.7), round(made[0].height * 0.7)), Image.Resampling.BICUBIC)
    copy.save(root / "shared.jpg", quality=60)
    made[3].save(root / "other.png")
    samples = [
        sample("1", "the disc", "0.png", "RefCOCO"), sample("2", "the left disc", "0.png", "RefCOCO"),
        sample("3", QUESTION, "1.png", "RefCOCOg"), sample("4", "the darker part", "1.png", "RefCOCOg"),
        *(sample(f"5-{n}", f"{'word ' * 15} {n}", "2.png", "RefCOCO+") for n in range(12)),
    ]  # fmt: skip
    save_samples(samples, corpus / "samples.jsonl")
    phrase = "word " * 15 + "of a template"
    asked = [sample("a", "the bright disc", "shared.jpg", ""), sample("b", phrase, "other.png", "")]
    save_samples(asked, root / "eval_refcoco_testA.json")
    save_samples([sample("c", QUESTION.upper(), "gone.png", "")], root / "eval_refcocog_val.json")
    return corpus, root.parent


def test_shared_media_and_words(places: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, root = places
    found = decontaminate(corpus, tmp_path / "out", [root], workers=1)
    assert found.gone == [("RefCOCO", "1"), ("RefCOCO", "2"), ("RefCOCOg", "3")]
    rows = {(row.source, row.benchmark): row for row in found.table}
    assert set(rows) == {("RefCOCO", "refcoco_testa"), ("RefCOCOg", "refcocog_val")}
    row = rows["RefCOCO", "refcoco_testa"]
    assert (row.by_media, row.by_words, row.samples, row.media, row.samples_after, row.media_after) == (
        2,
        0,
        2,
        1,
        0,
        0,
    )
    assert [(one.id, one.benchmark) for one in found.overlaps] == [("3", "refcocog_val")]
    assert found.overlaps[0].words.startswith("in which of the two rooms")
    assert (found.read["refcocog_val"].media, found.read["refcocog_val"].missing) == (1, 1)
    assert "mmmu" in found.absent
    assert (found.samples, found.kept) == (16, 13)
    assert json.loads((tmp_path / "out/report/contamination.json").read_text())["kept"] == 13
    page = (tmp_path / "out/report/contamination.html").read_text()
    assert page.count("data:image/jpeg") == 2
    again = decontaminate(tmp_path / "out", tmp_path / "again", [root], workers=1)
    assert (again.table, again.gone, again.samples) == ([], [], 13)


def test_a_copy_of_what_is_there_exactly_too_is_found(places: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, root = places
    shutil.copy(root / "onethinker-eval/shared.jpg", corpus / "00.jpg")
    samples = [sample("1", "the disc", "0.png", "a"), sample("2", "the disc", "00.jpg", "b")]
    save_samples(samples, corpus / "samples.jsonl")
    found = decontaminate(corpus, tmp_path / "out", [root], workers=1)
    assert found.gone == [("a", "1"), ("b", "2")]
    assert {pair.how for pair in found.pairs} == {"picture", "bytes"}


def test_no_benchmark_is_said(places: tuple[Path, Path], tmp_path: Path) -> None:
    corpus, root = places
    shutil.rmtree(root)
    with pytest.raises(DataError, match="no benchmark below"):
        decontaminate(corpus, tmp_path / "out", [root])


def test_runs_of_words() -> None:
    words = [f"w{n}" for n in range(15)]
    assert len(runs_of(" ".join(words))) == 3
    assert runs_of("W1, w2! w3 w4 w5 w6 w7 (w8)") == ["w1 w2 w3 w4 w5 w6 w7 w8"]
    assert runs_of("seven words are too few to tell") == []
    known = overlaps([" ".join(words)])
    assert hash64(" ".join(words[2:])) in known.tolist()
