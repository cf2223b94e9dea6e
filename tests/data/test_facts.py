"""Counts of a data set in one pass, and the page of them."""

from __future__ import annotations

from pathlib import Path

from onethinker.data.facts import count_facts, write_stats
from onethinker.sample import DataError, Sample, save_samples

SAMPLES = [
    Sample("1", "multiple_choice", "image", "Which?", "A", ("A. x", "B. y"), ("a.png",), "one"),
    Sample("2", "multiple_choice", "image", "Which?", "A", ("A. x", "B. y"), ("a.png",), "two"),
    Sample("3", "spatial_grounding", "image", "Where?", '{"boxes": [0, 0, 500, 500]}', (), ("a.png",), "one"),
    Sample("4", "temporal_grounding", "video", "When?", '{"time": [3, 9.5]}', (), ("a.mp4",), "<b>&"),
    Sample("5", "tracking", "video", "Follow.", '{"boxes": {"1": [0,0,100,100], "2": [900,900,1000,1000]}}'),
    Sample("6", "caption", "image", "q" * 30, "a man", meta={"response": "r" * 120}),
    Sample("7", "spatial_grounding", "image", "?", '{"boxes": ["x", null, {}, 1]}'),
    Sample("8", "spatial_grounding", "image", "?", "{" * 3000),
]


def test_counts() -> None:
    facts = count_facts([*SAMPLES, DataError("no row")])
    assert (facts.samples, facts.unread) == (8, 1)
    assert facts.by_source["one", "multiple_choice"] == 1
    assert facts.by_modality == {"image": 6, "video": 2}
    assert facts.lengths["question"][1] == 1  # of 25 characters or more
    assert facts.lengths["worked answer"] == {3: 1}
    assert facts.sides == {5: 1, 1: 2}
    assert facts.places == {(5, 5): 1, (1, 1): 1, (19, 19): 1}
    assert (facts.starts, facts.spans) == ({2: 1}, {3: 1})
    assert facts.answers["multiple_choice"] == {"A": 2}


def test_the_page(tmp_path: Path) -> None:
    save_samples(SAMPLES, tmp_path / "samples.jsonl")
    page = write_stats({"": tmp_path}, tmp_path / "out/page.html", title="<mine>").read_text()
    for words in ("&lt;mine&gt;", "8 samples", "&lt;b&gt;&amp; 1", "Places of boxes", "2 answers, 1 different"):
        assert words in page
    assert "<mine>" not in page
    assert page.count("<svg") == 1 + 3 + 2 + 2 + 1
