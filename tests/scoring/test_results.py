from dataclasses import replace

import pytest

from onethinker.engines.base import Sampling
from onethinker.media import MediaBudget
from onethinker.sample import Sample, Samples
from onethinker.scoring.results import (
    QUESTIONS,
    RESULTS,
    SUMMARY,
    Settings,
    answers_of,
    content_of,
    current,
    file_digest,
    read_summary,
)
from onethinker.util.runs import JsonLines, RunError

SETTINGS = Settings("local:abc", "words", Sampling(max_tokens=64), MediaBudget(), "official")


@pytest.mark.parametrize(
    "change",
    [
        {"engine": "local:abd"},
        {"prompts": "other words"},
        {"sampling": Sampling(max_tokens=65)},
        {"sampling": Sampling(max_tokens=64, temperature=1.0)},
        {"budget": MediaBudget(max_frames=7)},
        {"metric_profile": "released"},
        {"segmenter": "grabcut"},
    ],
)
def test_everything_that_decides_a_result_is_in_its_identity(change):
    assert replace(SETTINGS, **change).digest() != SETTINGS.digest()


def test_greedy_answers_depend_on_no_seed_but_sampled_ones_do():
    assert replace(SETTINGS, sampling=Sampling(max_tokens=64, seed=9)).digest() == SETTINGS.digest()
    warm = [replace(SETTINGS, sampling=Sampling(4, 1.0, max_tokens=64, seed=s)) for s in (0, 1)]
    assert warm[0].digest() != warm[1].digest()


def test_a_digest_is_of_the_content(tmp_path):
    small, copy = tmp_path / "a.png", tmp_path / "b.png"
    small.write_bytes(b"x" * 1000)
    copy.write_bytes(b"x" * 1000)
    assert file_digest(small) == file_digest(copy)
    copy.write_bytes(b"x" * 999 + b"y")
    assert file_digest(small) != file_digest(copy)


@pytest.mark.parametrize("place", [0, 4_500_000, 8_999_999])
def test_long_files_are_told_apart_by_start_middle_and_end(tmp_path, place):
    data = bytearray(9_000_000)
    (tmp_path / "a").write_bytes(data)
    data[place] = 1
    (tmp_path / "b").write_bytes(data)
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")


def test_the_content_of_a_question_covers_question_truth_and_media(tmp_path):
    for name in ("0.png", "1.png"):
        (tmp_path / name).write_bytes(name.encode())
    sample = Sample("n0", "numerical", "image", "What is 0?", "0", media=("0.png",))
    samples = Samples((sample,), tmp_path)
    contents = {
        content_of(s, samples.root)
        for s in (sample, replace(sample, question="?"), replace(sample, truth="9"), replace(sample, media=("1.png",)))
    }
    assert len(contents) == 4
    assert content_of(replace(sample, id="other", source="elsewhere"), samples.root) in contents


def test_the_last_row_counts_but_never_an_error_after_an_answer():
    def row(status, note, index=0):
        return {"settings": "s", "content": "c", "index": index, "status": status, "note": note}

    assert [r["note"] for r in current([row("error", 1), row("error", 2)]).values()] == [2]
    assert [r["note"] for r in current([row("error", 1), row("ok", 2), row("ok", 3)]).values()] == [3]
    assert [r["note"] for r in current([row("ok", 1), row("error", 2)]).values()] == [1]
    assert len(current([row("ok", 1), row("ok", 2, index=1)])) == 2


def test_a_folder_without_a_summary_names_those_in_it(tmp_path):
    (tmp_path / "mmmu").mkdir()
    (tmp_path / "mmmu" / SUMMARY).write_text("{}")
    with pytest.raises(RunError, match=r"has no summary.json; give .*, one of mmmu in it"):
        read_summary(tmp_path)
    with pytest.raises(RunError, match="not an evaluation's summary"):
        read_summary(tmp_path / "mmmu")
    (tmp_path / "mmmu" / SUMMARY).write_text("{")
    with pytest.raises(RunError, match="cannot be read as JSON"):
        read_summary(tmp_path / "mmmu")


def test_answers_of_a_folder_by_settings_and_question(tmp_path):
    lines = JsonLines(tmp_path / RESULTS)
    for settings, content, index in (("g", "c", 0), ("s", "c", 0), ("s", "c", 1), ("other", "c", 0), ("g", "d", 0)):
        lines.append({"settings": settings, "content": content, "index": index, "status": "ok", "id": "old"})
    (tmp_path / QUESTIONS).write_text('{"a": "c", "twin of a": "c", "not answered": "e"}')
    found = answers_of(tmp_path, "g", "s")
    assert found.keys() == {"a", "twin of a"}
    for rows in found.values():
        assert [(row["settings"], row["index"]) for row in rows] == [("g", 0), ("s", 0), ("s", 1)]
    assert {r["id"] for r in found["twin of a"]} == {"twin of a"}
    assert [r["settings"] for r in answers_of(tmp_path, "g")["a"]] == ["g"]
