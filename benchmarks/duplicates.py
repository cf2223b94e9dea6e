"""What a search for near duplicates finds and merges wrongly, ours and Data-Juicer's, on the same planted files.

    python -m benchmarks.duplicates --peer VENV/bin/python [--share 0.3] [--write docs/cleaning.md]

Files are those of `planted.py`: pictures and clips that all differ, each with a copy of each kind, and questions with
small edits. The peer runs in an environment of its own (`python -m venv VENV && VENV/bin/pip install
py-data-juicer imagededup "av<14"`: 1.6.1 closes clips as later PyAV does not know), by `image_deduplicator` (pHash),
`video_deduplicator` and `document_minhash_deduplicator` with their defaults. Found is the share of copies that end in
the group of their original. A false merge is a pair of files of two originals in one group, out of all such pairs;
beside it stands how many originals share a group with another.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks.generated import filled
from benchmarks.planted import WORDS, Planted, plant_films, plant_pictures
from onethinker.corpus.duplicates import Media, Near, find, grouped
from onethinker.corpus.signatures import Signatures
from onethinker.corpus.texts import minhash, similarity

MARKS = ("<!-- duplicates: python -m benchmarks.duplicates --write docs/cleaning.md -->", "<!-- end of duplicates -->")
PEER = """
import json, sys
from collections import defaultdict
from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator
from data_juicer.ops.deduplicator.image_deduplicator import ImageDeduplicator
from data_juicer.ops.deduplicator.video_deduplicator import VideoDeduplicator

def joined(hashes):
    # Texts that share a band, joined as its `process` joins them, which gives no groups.
    parent = list(range(len(hashes)))
    def home(i):
        while parent[i] != i: i = parent[i]
        return i
    first = {}
    for at, bands in enumerate(hashes):
        for number, band in enumerate(bands):
            parent[home(at)] = home(first.setdefault((number, str(band)), at))
    return [home(i) for i in range(len(hashes))]

asked, found = json.load(sys.stdin), {}
for kind, names in asked.items():
    if kind == "questions":
        op = DocumentMinhashDeduplicator()
        found[kind] = joined([op.compute_hash({"text": n})["__dj__minhash"] for n in names])
        continue
    op, field, key = {
        "pictures": (ImageDeduplicator(), "images", "__dj__imagehash"),
        "clips": (VideoDeduplicator(), "videos", "__dj__videohash"),
    }[kind]
    found[kind] = [op.compute_hash({"text": "", field: [n]})[key] for n in names]
print("GROUPS" + json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class Result:
    """found: kind of copy → share. merged: share of all pairs of two originals' files. wrong: originals of a false
    merge. seconds: of one core and the clock."""

    found: Mapping[str, float]
    merged: float
    wrong: int
    seconds: float


def judge(planted: Sequence[Planted], groups: Sequence[object], seconds: float) -> Result:
    """groups: of each file, what stands for its group."""
    home = {one.origin: group for one, group in zip(planted, groups, strict=True) if not one.kind}
    hits: dict[str, list[bool]] = defaultdict(list)
    members: dict[object, Counter[str]] = defaultdict(Counter)
    for one, group in zip(planted, groups, strict=True):
        members[group][one.origin] += 1
        if one.kind:
            hits[one.kind].append(group == home[one.origin])
    total, same = len(planted) ** 2, sum(n * n for n in Counter(one.origin for one in planted).values())
    merged = sum(sum(c.values()) ** 2 - sum(n * n for n in c.values()) for c in members.values())
    wrong = {origin for c in members.values() if len(c) > 1 for origin in c}
    found = {kind: sum(some) / len(some) for kind, some in hits.items()}
    return Result(found, merged / (total - same), len(wrong), seconds)


def ours(planted: Sequence[Planted], work: Path) -> Result:
    """`corpus.duplicates` with its defaults, in this process."""
    cv2.setNumThreads(1)
    folder = planted[0].file.parent
    begin = time.process_time()
    names = [one.file.name for one in planted]
    table = Signatures(work, folder).make(names, workers=1)
    home = grouped(names, find(Media(table, [folder]), Near()))
    return judge(planted, [home[name] for name in names], time.process_time() - begin)


def peer(python: str, asked: Mapping[str, Sequence[str]]) -> dict[str, list[object]]:
    """Data-Juicer's groups of files, or texts, by kind."""
    told = subprocess.run([python, "-c", PEER], input=json.dumps(asked), capture_output=True, text=True, check=False)
    line = next((line for line in told.stdout.splitlines() if line.startswith("GROUPS")), None)
    if line is None:
        raise SystemExit(f"the peer failed:\n{told.stderr[-2000:]}")
    found: dict[str, list[object]] = json.loads(line.removeprefix("GROUPS"))
    return found


# ---- questions --------------------------------------------------------------------------------------------------


def questions(count: int) -> list[tuple[str, str, str]]:
    """(text, origin, kind): questions of 18 words that all differ, each with a copy in which case, marks and spaces
    differ and one with a word more."""
    found = []
    for n in range(count):
        rng = random.Random(f"question {n}")
        words = rng.choices(WORDS, k=18)
        text = " ".join(words)
        found.append((f"{text}?", str(n), ""))
        found.append((f"{text.capitalize()} ?".replace(" the ", "  the "), str(n), "case, marks and spaces"))
        found.append((f"{text} here?", str(n), "a word more"))
    return found


def our_questions(texts: Sequence[tuple[str, str, str]]) -> list[int]:
    """Groups by the rule of `data clean`, of questions about one medium with one answer."""
    from onethinker.corpus.candidates import Groups
    from onethinker.corpus.clean import CleanConfig
    from onethinker.corpus.texts import words_of

    hashes = [minhash(" ".join(words_of(text))) for text, _, _ in texts]
    groups = Groups(len(texts))
    for one in range(len(texts)):
        for other in range(one):
            if similarity(hashes[one], hashes[other]) >= CleanConfig().question:
                groups.join(one, other)
    return [groups.find(at) for at in range(len(texts))]


# ---- the table --------------------------------------------------------------------------------------------------


def rows(title: str, planted: Sequence[Planted], mine: Result, theirs: Result | None) -> list[str]:
    """Lines of the table."""
    origins = len({one.origin for one in planted})

    def both(cell: Callable[[Result], str]) -> str:
        return f"{cell(mine)} | {cell(theirs) if theirs else '–'}"

    head = f"| **{title}**, {origins} that differ, {len(planted)} files | | |"
    lines = [f"| {kind}, found | {both(lambda r, k=kind: f'{r.found[k]:.1%}')} |" for kind in mine.found]
    every = both(lambda r: f"**{sum(r.found.values()) / len(r.found):.1%}**")
    merged = both(lambda r: f"{r.merged:.4%} ({r.wrong})")
    return [
        head,
        *lines,
        f"| all copies, found | {every} |",
        f"| false merges of all pairs (of originals) | {merged} |",
    ]


def table(python: str, share: float) -> str:
    lines = ["| | ours | Data-Juicer |", "|---|---:|---:|"]
    texts = questions(round(400 * share))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        planted = {
            "pictures": plant_pictures(folder / "pictures", share),
            "clips": plant_films(folder / "clips", share),
        }
        mine = {kind: ours(some, folder / f"{kind}-signatures") for kind, some in planted.items()}
        print(mine, flush=True)
        names = {kind: [str(one.file) for one in some] for kind, some in planted.items()}
        theirs = peer(python, names | {"questions": [text for text, _, _ in texts]}) if python else {}
    planted["questions"] = [Planted(Path(), origin, kind) for _, origin, kind in texts]
    mine["questions"] = judge(planted["questions"], our_questions(texts), 0.0)
    for kind, some in planted.items():
        lines += rows(kind, some, mine[kind], judge(some, theirs[kind], 0.0) if theirs else None)
    return "\n".join(lines)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--peer", default="", help="Python of an environment with py-data-juicer and imagededup")
    asked.add_argument("--share", type=float, default=1.0, help="share of the pictures, clips and questions")
    asked.add_argument("--write", type=Path, help="the page whose table is made anew")
    given = asked.parse_args()
    made = table(given.peer, given.share)
    print(made)
    if given.write:
        page = given.write.read_text(encoding="utf-8")
        given.write.write_text(filled(page, MARKS, made), encoding="utf-8")


if __name__ == "__main__":
    main()
