"""What goes of a corpus, why, and that the input stays as it is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.planted import textures
from onethinker.corpus.clean import BROKEN, DUPLICATE, TOO_LONG, CleanConfig, clean
from onethinker.corpus.faults import Inspect, RowChecks
from onethinker.corpus.rows import read_shards, to_samples
from onethinker.corpus.texts import answered, asked, minhash, numbers_of, similarity
from onethinker.media import write_clip
from onethinker.sample import Sample, save_samples
from onethinker.tasks import TASKS
from onethinker.util.runs import RunError
from tests.tasks.examples import sample_of


def one(id: str, question: str = "How many discs?", truth: str = "3", **fields: object) -> Sample:
    given = {"task": "numerical", "modality": "image", "media": ("a.png",), "source": "s"}
    return Sample(**{"id": id, "question": question, "truth": truth} | given | fields)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    (_, first), (_, second) = textures(2)
    first.save(folder / "a.png")
    first.resize((first.width // 2, first.height // 2)).save(folder / "b.jpg", quality=70)
    second.save(folder / "c.png")
    write_clip(folder / "d.mp4", [second.resize((64, 64))] * 8, 4)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    box = {"task": "spatial_grounding", "question": "the disc"}
    span = {"task": "temporal_grounding", "modality": "video", "media": ("d.mp4",), "question": "it moves"}
    samples = [
        one("00"), one("01", media=("b.jpg",)), one("02", "How many  discs ?"), one("03", truth="4"),
        one("04", media=("b.jpg",), question="How many squares?"), one("05", media=("c.png",)),
        one("06", media=("broken.png",)), one("07", truth="many"),
        one("08", truth='{"boxes": [10, 10, 10, 90]}', **box), one("09", truth='{"boxes": [0, 0, 1000, 1000]}', **box),
        one("10", truth='{"boxes": [10, 10, 300, 400]}', **box),
        one("11", truth='{"time": [0.5, 9.0]}', **span), one("12", truth='{"time": [0.5, 0.5]}', **span),
        one("13", truth='{"time": [0.5, 1.5]}', **span),
        one("14", "What is it? The answer is 3."),
        one("15", "1 + 1?", "2", task="math", modality="text", media=()),
        one("16", "Tom has 5 apples and buys 7 more at the market. How many are his?", "12", task="math",
            modality="text", media=()),
        one("17", "Tom has 5 apples and buys 7 more at the market. How many are his now?", "12", task="math",
            modality="text", media=()),
        one("18", "Tom has 6 apples and buys 6 more at the market. How many are his?", "12", task="math",
            modality="text", media=()),
    ]  # fmt: skip
    save_samples(samples, folder / "samples.jsonl")
    return folder


WHY = {
    "01": DUPLICATE, "02": DUPLICATE, "06": BROKEN, "07": "its truth is not in its task's form",
    "08": "a box without area", "09": "a box around the whole picture", "11": TOO_LONG, "12": "a span without length",
    "14": "its question holds the answer", "17": DUPLICATE,
}  # fmt: skip


def test_what_goes_and_why(corpus: Path, tmp_path: Path) -> None:
    before = {file.name: file.read_bytes() for file in corpus.iterdir()}
    report = clean(corpus, tmp_path / "out", workers=1)
    assert {gone.id: gone.reason for gone in report.gone} == WHY
    assert {gone.id: gone.other for gone in report.gone if gone.reason == DUPLICATE} == {
        "01": "s/00", "02": "s/00", "17": "s/16",
    }  # fmt: skip
    assert report.shared == [["a.png", "b.jpg"]]
    assert (report.samples, report.kept) == (19, 9)
    kept = [sample for batch in read_shards(tmp_path / "out") for sample in to_samples(batch)]
    assert [sample.id for sample in kept] == [f"{n:02d}" for n in range(19) if f"{n:02d}" not in WHY]
    assert all((tmp_path / "out" / name).is_file() for sample in kept for name in sample.media)
    assert {file.name: file.read_bytes() for file in corpus.iterdir()} == before
    told = json.loads((tmp_path / "out/report/clean.json").read_text())
    assert told["reasons"][DUPLICATE] == 3
    page = (tmp_path / "out/report/clean.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert "s/01" in page
    shard = next((tmp_path / "out").glob("samples-*.parquet")).read_bytes()
    assert clean(corpus, tmp_path / "out", workers=1) == report
    assert next((tmp_path / "out").glob("samples-*.parquet")).read_bytes() == shard


def test_thresholds_decide(corpus: Path, tmp_path: Path) -> None:
    loose = CleanConfig(rows=RowChecks(beyond_clip=60))
    gone = {one.id for one in clean(corpus, tmp_path, loose, workers=1, link=False).gone}
    assert set(WHY) - gone == {"11"}


def test_the_corpus_itself_is_refused(corpus: Path) -> None:
    with pytest.raises(RunError, match="give --out another folder"):
        clean(corpus, corpus)


@pytest.mark.parametrize("name", TASKS)
def test_every_tasks_own_example_is_kept(name: str) -> None:
    checks = Inspect(RowChecks())
    assert list(checks.faults(sample_of(name))) == []


def test_one_word_truths_are_kept() -> None:
    assert not list(Inspect(RowChecks()).faults(one("1", "What is it?", "dog", task="open_ended")))


def test_a_question_that_holds_a_free_answer() -> None:
    checks, text = Inspect(RowChecks()), "a dog runs over the grass"
    held = one("1", f"Describe it: {text}.", text, task="caption")
    assert list(checks.faults(held)) == ["its question holds the answer"]
    assert not list(checks.faults(replace(held, question="Describe the dog on the grass.")))


def test_questions_are_compared_without_letters_and_order() -> None:
    first = one("1", "<image>What is red?", "B", options=("A. A car", "B. A bus"), task="multiple_choice")
    other = one("2", "what is red", "A", options=("(A) a bus", "(B) a car"), task="multiple_choice")
    assert asked(first) == asked(other)
    assert answered(first) == answered(other) == "a bus"
    assert answered(one("3", truth="A", options=("A. A car", "B. A bus"))) == "a car"
    assert numbers_of("5 of 7.5") == "5 7.5"


def test_minhash_estimates_the_share_of_common_shingles() -> None:
    words = "the quick brown fox jumps over the lazy dog beside the river"
    assert similarity(minhash(words), minhash(words)) == 1
    assert similarity(minhash(words), minhash(words + " bank")) > 0.8
    assert similarity(minhash(words), minhash("an entirely other sentence about cars and trains")) < 0.2
