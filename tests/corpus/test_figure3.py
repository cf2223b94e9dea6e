"""The shipped recipe on small copies of all its sets: every sector of the paper's Figure 3 is read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from onethinker.corpus.build import build
from onethinker.corpus.gather import taken_from
from onethinker.corpus.recipe import CorpusRecipe, shipped
from onethinker.data.sources.composition import PARTS
from onethinker.recipes.base import RecipeError
from onethinker.sample import load_samples
from tests.data.sources.layouts import LAYOUTS
from tests.data.sources.writer import put_below


def test_the_recipe_has_every_set_by_every_way_that_is_known() -> None:
    recipe = shipped()["onethinker_600k"]
    for part in PARTS:
        source = recipe.sources[f"{part.group}/{part.title}"]
        first = f"{source.reader}:{source.at or part.title}"
        assert [first, *source.otherwise] == [f"{way.reader}:{way.folder}" for way in part.ways]
        assert set(source.tasks) <= set(part.tasks)


def recipe(**source: Any) -> CorpusRecipe:
    return CorpusRecipe.model_validate({"name": "mine", "sources": {"rule_qa/STAR": source}})


def test_a_set_is_had_by_the_first_way_that_is_there(tmp_path: Path) -> None:
    star = recipe(reader="star", otherwise=["video-r1-star:Video-R1-data", "cauldron-ai2d:the_cauldron"])
    source, key = star.sources["rule_qa/STAR"], "rule_qa/STAR"
    assert taken_from(key, source, tmp_path).reader == "star"
    missing = build_problem(star, tmp_path)
    assert "the folder STAR; nor video-r1-star in Video-R1-data, cauldron-ai2d in the_cauldron" in missing
    for folder, reader in (("the_cauldron", "cauldron-ai2d"), ("Video-R1-data", "video-r1-star"), ("STAR", "star")):
        for name, content in LAYOUTS[reader].files.items():
            put_below(tmp_path / folder, name, content)
        assert taken_from(key, source, tmp_path).reader == reader
    assert build(star, tmp_path, tmp_path / "out").samples == 1


def build_problem(star: CorpusRecipe, root: Path) -> str:
    from onethinker.corpus.gather import gather

    return gather("rule_qa/STAR", star, root, root / "shards").problem


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            {"reader": "star", "otherwise": ["video-r1-start:X"]},
            "no reader 'video-r1-start'; the nearest is 'video-r1-star'",
        ),
        ({"reader": "star", "otherwise": ["video-r1-star"]}, "otherwise 'video-r1-star'; expected READER:FOLDER"),
        ({"samples": "x", "otherwise": ["star:X"]}, "has `otherwise` without a reader"),
    ],
)
def test_ways_that_are_none_are_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises((RecipeError, ValueError), match=message):
        recipe(**source)


@pytest.mark.slow
def test_every_sector_is_built(tmp_path: Path) -> None:
    files: dict[str, Any] = {}
    for way in {part.ways[0] for part in PARTS}:
        layout = LAYOUTS[way.reader]
        for name, content in layout.files.items():
            path, written = f"{way.folder}/{name}", layout.dumped(name, content)
            shared = isinstance(files.get(path), list) and name.startswith("Video-R1")  # a file that many sets are in
            files[path] = files[path] + written if shared else written
    for path, content in files.items():
        put_below(tmp_path / "data", path, content)
    build(shipped()["onethinker_600k"], tmp_path / "data", tmp_path / "out")
    found = load_samples(tmp_path / "out")
    counts = Counter((str(sample.meta["group"]), sample.source) for sample in found)
    print(f"{len(counts)} of {len(PARTS)} sectors, {len(found)} samples")
    assert {(part.group, part.title) for part in PARTS} - counts.keys() <= NOT_OF_THE_FIXTURE
    assert all(path.is_file() for sample in found for path in sample.paths(found.root))


NOT_OF_THE_FIXTURE = {
    ("rule_qa", "SpaceLLaVA"),
    ("rule_qa", "OpenSpaces"),
    ("rule_qa", "GVLQA"),
    ("open_caption", "AI2D"),
}
"""Sectors whose set's one row here is of another task."""
