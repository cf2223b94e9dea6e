"""Building: what is there is built, what is not is named, the same inputs give the same bytes, a kill costs little."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from onethinker.corpus import build as build_module
from onethinker.corpus.build import build
from onethinker.corpus.recipe import CorpusRecipe, load_corpus_recipe, shipped
from onethinker.corpus.summary import Summary, figure3
from onethinker.data.inspect import check
from onethinker.media import write_image
from onethinker.recipes.base import RecipeError
from onethinker.sample import DataError, load_samples, save_samples
from onethinker.util.runs import RunError


def content(folder: Path) -> dict[str, str]:
    """File → hash, of all that a build leaves."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != ".lock")
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_what_is_there_is_built_and_what_is_not_is_named(recipe: CorpusRecipe, data_root: Path, tmp_path: Path) -> None:
    made = build(recipe, data_root, tmp_path / "c")
    samples = load_samples(tmp_path / "c")
    assert Counter(s.source for s in samples) == {"pictures": 12, "texts": 10, "RefCOCO": 1}
    assert [s.id for s in samples] == sorted(s.id for s in samples)
    assert all(path.is_file() for s in samples for path in s.paths(samples.root))
    assert {s.meta["group"] for s in samples} == {"own", "spatial"}
    assert not (tmp_path / "c/.build").exists()
    short = {line.partition(":")[0]: line for line in made.shortfalls}
    assert "1 left out: its medium … is not there" in short["spatial/RefCOCO"]
    assert "partly there, without RefCOCO/refcoco+/refs(unc).p" in short["spatial/RefCOCO+"]
    assert "not there: expected in the folder GOT-10k" in short["tracking/GOT-10k"]
    assert "not public" in short["temporal/closed"]
    assert len(short) == 4
    assert Summary.read(tmp_path / "c") == made
    linked = tmp_path / "c/media/own/m/0.png"
    assert linked.samefile(data_root / "own/m/0.png")
    assert not [line for line in check(tmp_path / "c") if "same question" not in line]


def test_card_and_page(recipe: CorpusRecipe, data_root: Path, tmp_path: Path) -> None:
    made = build(recipe, data_root, tmp_path / "c")
    card = (tmp_path / "c/README.md").read_text()
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["configs"][0]["data_files"][0]["path"] == "samples-*.parquet"
    assert head["task_categories"] == ["object-detection", "question-answering", "visual-question-answering"]
    for words in ("CC0-1.0", made.recipe_hash, made.inputs_hash, "| numerical | 12 |", "## Shortfalls"):
        assert words in card
    page = (tmp_path / "c/report/index.html").read_text()
    assert page.count("<svg") == 2
    for words in ("spatial · RefCOCO: 1", "spatial · RefCOCO: 10,000", "not public", "−100.0%"):
        assert words in page


def test_the_same_bytes_whatever_the_order_of_rows(recipe: CorpusRecipe, data_root: Path, tmp_path: Path) -> None:
    build(recipe, data_root, tmp_path / "a")
    for name in ("own/samples.jsonl", "texts.jsonl"):
        save_samples(list(load_samples(data_root / name))[::-1], data_root / name)
    build(recipe, data_root, tmp_path / "b")
    assert content(tmp_path / "a") == content(tmp_path / "b")


def test_media_may_stay(recipe: CorpusRecipe, data_root: Path, tmp_path: Path) -> None:
    build(recipe, data_root, tmp_path / "c", media="stay")
    assert not (tmp_path / "c/media").exists()
    samples = load_samples(tmp_path / "c", data_root)
    assert all(path.is_file() for s in samples for path in s.paths(samples.root))
    assert Summary.read(tmp_path / "c").media_root == str(data_root)


def test_own_data_may_lie_elsewhere(data_root: Path, tmp_path: Path) -> None:
    recipe = CorpusRecipe.model_validate({"sources": {"own/far": {"samples": str(data_root / "own")}}})
    (tmp_path / "empty").mkdir()
    build(recipe, tmp_path / "empty", tmp_path / "c")
    samples = load_samples(tmp_path / "c")
    assert samples[0].media[0].startswith("media/own-far/m/")
    assert all(path.is_file() for s in samples for path in s.paths(samples.root))
    with pytest.raises(RunError, match="outside"):
        build(recipe, tmp_path / "empty", tmp_path / "d", media="stay")


def test_a_full_disk_leaves_whole_shards_and_the_build_goes_on(
    recipe: CorpusRecipe, data_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(recipe, data_root, tmp_path / "whole", rows_per_shard=6)

    class Full(build_module.ShardWriter):
        def _flush(self, count: int) -> None:
            if self.written == 2 and self.folder == tmp_path / "c":
                raise OSError(28, "No space left on device", "samples-00002.parquet")
            super()._flush(count)

    with monkeypatch.context() as patch:
        patch.setattr(build_module, "ShardWriter", Full)
        with pytest.raises(RunError, match="No space left on device; 2 whole shards stand in"):
            build(recipe, data_root, tmp_path / "c", rows_per_shard=6)
    assert len(load_samples(tmp_path / "c")) == 12
    read = tmp_path / "c/.build/read/own--pictures/done.json"
    before = read.stat().st_mtime_ns
    shard = (tmp_path / "c/samples-00001.parquet").stat().st_ino
    build(recipe, data_root, tmp_path / "c", rows_per_shard=6)
    assert before and (tmp_path / "c/samples-00001-of-00004.parquet").stat().st_ino == shard  # not written again
    assert content(tmp_path / "c") == content(tmp_path / "whole")


KILLED = """
import os, signal, sys, yaml
from onethinker.corpus import build, gather
from onethinker.corpus.recipe import load_corpus_recipe
left = int(sys.argv[4])
def count(*args, _real=os.replace, **kwargs):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return _real(*args, **kwargs)
from pathlib import Path
whole = Path.replace
Path.replace = lambda self, target: count(self, target, _real=whole)
build.build(load_corpus_recipe(sys.argv[1]), sys.argv[2], sys.argv[3], rows_per_shard=6)
"""


@pytest.mark.slow
def test_killed_at_any_file_it_goes_on_to_the_same_bytes(recipe: CorpusRecipe, data_root: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    build(load_corpus_recipe(str(file)), data_root, tmp_path / "whole", rows_per_shard=6)
    kills = 0
    for at in range(3, 60, 7):
        words = [sys.executable, "-c", KILLED, str(file), str(data_root), str(tmp_path / "c"), str(at)]
        done = subprocess.run(words, capture_output=True, check=False, timeout=120, env=os.environ)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr.decode()
        kills += 1
    assert kills >= 2
    assert content(tmp_path / "c") == content(tmp_path / "whole")


def test_a_finished_corpus_is_kept_and_another_recipe_refused(
    recipe: CorpusRecipe, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = build(recipe, data_root, tmp_path / "c")
    assert build(recipe, data_root, tmp_path / "c") == made
    assert "is built already" in capsys.readouterr().err
    other = recipe.model_copy(update={"seed": 5})
    with pytest.raises(RunError, match="seed: 0 → 5"):
        build(other, data_root, tmp_path / "c")
    assert build(other, data_root, tmp_path / "c", fresh=True).folder == tmp_path / "c-2"
    (tmp_path / "own").mkdir()
    (tmp_path / "own/samples.jsonl").write_text("{}")
    with pytest.raises(RunError, match=r"samples\.jsonl, which no build left"):
        build(recipe, data_root, tmp_path / "own")


def test_nothing_at_all_is_said(recipe: CorpusRecipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no source gives a sample:\n  own/pictures: 0 of 12; not there: own"):
        build(recipe, tmp_path, tmp_path / "c")


def test_filters_and_difficulty(data_root: Path, tmp_path: Path) -> None:
    samples = [
        replace(s, meta={"difficulty": {"pass_rate": n / 40}} if n else {})
        for n, s in enumerate(load_samples(data_root / "own"))
    ]
    save_samples(samples, data_root / "own/samples.jsonl")
    recipe = CorpusRecipe.model_validate({
        "sources": {"own": {"samples": "own"}},
        "difficulty": {"low": 0.25, "high": 0.5, "unmeasured": "drop"},
    })  # fmt: skip
    made = build(recipe, data_root, tmp_path / "c")
    assert made.samples == 11
    assert made.sources[0].left_out == {"filter: no pass rate": 1, "filter: pass rate outside of the window": 28}


def test_what_cleaning_takes_out_is_filled_up_and_named(data_root: Path, tmp_path: Path) -> None:
    """Four pictures: two are alike, one is broken."""
    draw = np.random.default_rng(0)
    for number in range(4):
        write_image(data_root / f"own/m/{number}.png", draw.integers(0, 255, (64, 64, 3), dtype=np.uint8))
    (data_root / "own/m/1.png").write_bytes((data_root / "own/m/0.png").read_bytes())
    (data_root / "own/m/3.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    same = [replace(s, question="How many?", truth="7") for s in load_samples(data_root / "own")]
    save_samples(same, data_root / "own/samples.jsonl")
    recipe = CorpusRecipe.model_validate({
        "sources": {"own/pictures": {"samples": "own", "cap": 2}}, "clean": True, "decontaminate": True, "spare": 19,
    })  # fmt: skip
    made = build(recipe, data_root, tmp_path / "c", workers=1)
    samples = load_samples(tmp_path / "c")
    assert made.samples == len({s.media for s in samples}) == 2  # of the pair one, and the third
    assert made.sources[0].left_out == {"a duplicate of another sample": 28, "a medium that cannot be read": 10}
    there = {p.relative_to(tmp_path / "c").as_posix() for p in (tmp_path / "c/media").rglob("*.png")}
    assert there == {name for s in samples for name in s.media}
    assert (tmp_path / "c/report/clean.html").is_file()
    assert 'href="clean.html"' in (tmp_path / "c/report/index.html").read_text()


# ---- recipes --------------------------------------------------------------------------------------------------------


def test_a_users_yaml(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("seed: 3\nsources:\n  own/x: {samples: here, cap: 1e3}\n")
    recipe = load_corpus_recipe(str(file), ["sources.own/x.cap=7", "images=0.5"])
    assert (recipe.name, recipe.seed, recipe.sources["own/x"].cap, recipe.images) == ("mine", 3, 7, 0.5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sources: {a: {sample: x}}", "sources.a.sample: no such key; the nearest is sources.a.samples"),
        ("sources: {a: {samples: x}}\nsede: 1", "sede: no such key; the nearest is seed"),
        ("sources: {a: {reader: refcocoo}}", "no reader 'refcocoo'; the nearest is 'refcoco'"),
        ("sources: {a: {cap: 3}}", "has none of reader, samples, unavailable"),
        ("sources: {a: {samples: x, cap: -1}}", "sources.a.cap"),
        ("sources: {a: {samples: x}}\ntasks: {orc: 1}", "no task 'orc'; the nearest is 'ocr'"),
        ("seed: 1", "no sources; give some"),
        ("base: onethinker\nsources: {}", "base 'onethinker' is not shipped"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError) as error:
        load_corpus_recipe(str(file))
    assert words in str(error.value)


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(RecipeError, match="the nearest is 'onethinker_600k'"):
        load_corpus_recipe("onethinker_60k")


def test_the_shipped_recipe_is_figure_3() -> None:
    recipe = shipped()["onethinker_600k"]
    caps = {tuple(key.split("/", 1)): source.cap for key, source in recipe.sources.items()}
    assert caps == figure3()


def test_the_summary_of_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_text(json.dumps({"name": 1}))
    with pytest.raises(DataError, match="build it again"):
        Summary.read(tmp_path)
