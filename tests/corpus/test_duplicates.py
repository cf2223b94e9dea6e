"""Planted copies are found, pictures and clips of one make are not merged."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.planted import COPIES, FILM_COPIES, Film, charts, pages, textures, worlds
from onethinker.corpus.candidates import Groups, near
from onethinker.corpus.duplicates import Media, Near, find, grouped
from onethinker.corpus.hashes import WHOLE, content_of, phash
from onethinker.corpus.signatures import Signatures
from onethinker.media import write_clip


def merged(folder: Path, config: Near | None = None) -> dict[str, str]:
    """Each file of the folder → the one that it was merged with."""
    names = [file.name for file in folder.iterdir() if file.is_file()]
    table = Signatures(folder / "signatures", folder).make(names, workers=1)
    return grouped(names, find(Media(table, [folder]), config or Near()))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    originals = [*textures(2), *charts(2), *pages(2), *list(worlds(4))[2:]]
    for number, (name, picture) in enumerate(originals):
        picture.save(folder / f"{name}.png")
        for at, (_, copy) in enumerate(COPIES.items()):
            if (number + at) % 2:
                copy(picture, random.Random(f"{name} {at}")).save(folder / f"{name}~{at}.jpg", quality=85)
    return folder


def test_planted_pictures(pictures: Path) -> None:
    groups = merged(pictures)
    wrong = [(a, b) for a, b in combinations(groups, 2) if groups[a] == groups[b] and origin(a) != origin(b)]
    missed = [name for name in groups if "~" in name and groups[name] != groups[f"{origin(name)}.png"]]
    assert wrong == []
    assert len(missed) <= 1, missed  # of 20


def origin(name: str) -> str:
    return Path(name).stem.split("~")[0]


def test_mirror_images_are_an_option(tmp_path: Path) -> None:
    _, picture = next(textures(1))
    picture.save(tmp_path / "a.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    assert merged(tmp_path)["b.png"] == "b.png"
    assert merged(tmp_path, Near(mirrored=True))["b.png"] == "a.png"


def discs(seed: int, count: int = 20) -> Iterator[np.ndarray]:
    """A clip of discs that move over a noisy ground."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 90, (72, 96, 3), dtype=np.uint8)
    places, speeds, colours = rng.uniform(10, 60, (4, 2)), rng.uniform(-1, 1, (4, 2)), rng.integers(0, 256, (4, 3))
    y, x = np.mgrid[:72, :96]
    for t in range(count):
        frame = ground.copy()
        for place, speed, colour in zip(places, speeds, colours, strict=True):
            at = place + t * speed
            frame[(y - at[0]) ** 2 + (x - at[1]) ** 2 < 81] = colour
        yield frame


@pytest.mark.slow
def test_planted_clips(tmp_path: Path) -> None:
    for seed in (0, 1):
        film = Film(list(discs(seed)), 10)
        write_clip(tmp_path / f"{seed}.mp4", film.frames, film.fps)
        for at, copy in enumerate(FILM_COPIES.values() if seed else ()):
            made = copy(film, random.Random(at))
            write_clip(tmp_path / f"{seed}~{at}.mp4", made.frames, made.fps)
    groups = merged(tmp_path)
    assert groups == {name: f"{origin(name)}.mp4" for name in groups}


def test_exact_copies_and_broken_files(tmp_path: Path) -> None:
    _, picture = next(charts(1))
    picture.save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes())
    picture.save(tmp_path / "c.bmp")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    names = ["a.png", "b.png", "c.bmp", "broken.png", "../elsewhere.png"]
    table = Signatures(tmp_path / "kept", tmp_path).make(names, workers=1)
    problems = {row["path"]: row["problem"] for row in table.to_pylist() if row["problem"]}
    assert set(problems) == {"broken.png", "../elsewhere.png"}
    pairs = find(Media(table, [tmp_path]), Near())
    assert [(p.first, p.second, p.how) for p in pairs] == [("a.png", "b.png", "bytes"), ("a.png", "c.bmp", "pixels")]


def test_signatures_are_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, picture in charts(2):
        picture.save(tmp_path / f"{name}.png")
    names = ["chart-0.png", "chart-1.png"]
    made = Signatures(tmp_path / "kept", tmp_path).make(names, workers=1)
    opened: list[Path] = []
    monkeypatch.setattr("onethinker.corpus.signatures.is_clip", lambda file: bool(opened.append(file)))
    assert Signatures(tmp_path / "kept", tmp_path).make(names, workers=1).equals(made)
    assert not opened
    (tmp_path / "chart-1.png").write_bytes((tmp_path / "chart-0.png").read_bytes())
    again = Signatures(tmp_path / "kept", tmp_path).make(names, workers=1)
    assert [file.name for file in opened] == ["chart-1.png"]
    assert again.column("bytes")[0] == again.column("bytes")[1]


def test_near_hashes_against_all_pairs() -> None:
    rng = np.random.default_rng(0)
    entries = rng.integers(0, 2**63, 800, dtype=np.uint64)
    flips = np.array(
        [np.bitwise_or.reduce(np.uint64(1) << rng.choice(64, 7, False).astype(np.uint64)) for _ in entries]
    )
    queries = entries ^ flips
    places = np.arange(len(entries))
    q, e = near(queries, entries, 10, owners=(places, -1 - places))
    all_pairs = np.bitwise_count(queries[:, None] ^ entries[None]) <= 10
    assert all_pairs[q, e].all()
    assert len(set(zip(q.tolist(), e.tolist()))) >= 0.97 * all_pairs.sum()
    assert not len(near(entries, entries, 0, owners=(places, places))[0])


def test_groups_do_not_depend_on_the_order() -> None:
    joins = [(3, 5), (1, 3), (5, 2), (6, 7)]
    found = []
    for order in (joins, joins[::-1]):
        groups = Groups(8)
        for one, other in order:
            groups.join(one, other)
        found.append([groups.find(place) for place in range(8)])
    assert found[0] == found[1] == [0, 1, 1, 1, 4, 1, 6, 6]


def test_letter_boxes_are_seen_and_dark_pictures_kept() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (60, 80), dtype=np.uint8)
    boxed = np.pad(picture, ((20, 20), (0, 0)))
    assert content_of(boxed) == (0, 0.2, 1, 0.8)
    assert content_of(np.zeros((50, 50), np.uint8)) == WHOLE
    assert 0 <= phash(boxed) < 2**64
