"""Look at a data set: whether every sample loads and scores (`check`), what is in it (`stats`), its looks (`show`)."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean

from PIL import Image

from onethinker.data.doubts import doubts
from onethinker.media import MediaBudget, MediaError, is_clip, open_clip, open_image
from onethinker.sample import DataError, Sample, Samples, load_samples
from onethinker.sample.answer import Answer, read_answer
from onethinker.sample.stream import TrainingSet, is_streamed, open_stream
from onethinker.tasks import get_task
from onethinker.util.files import write_whole
from onethinker.util.html import style, templates
from onethinker.util.names import nearest
from onethinker.util.progress import bar

SPLITS = ("train", "validation", "test", "zeroshot")
_SHOWN = MediaBudget(frame_pixels=512 * 512, max_frames=4)
WIDEST = 640
"""Pixels of a picture on the page of `show`."""
PAGE_BYTES = 4_500_000
"""Of all pictures on it together, for mail and for phones."""
QUALITIES = (84, 70, 55, 40, 25)
"""Of its JPEGs, the first that fits."""


@dataclass(frozen=True, slots=True)
class Count:
    """One line of `stats`. Lengths are mean characters; media is the mean number of files a sample."""

    split: str
    task: str
    modality: str
    samples: int
    question: float
    truth: float
    response: float
    media: float


def split_paths(path: str | Path) -> dict[str, Path]:
    """The splits of a folder that holds some, or the data set at `path` under the name ''."""
    folder = Path(path)
    names = [name for name in SPLITS if (folder / name).is_dir()]
    return {name: folder / name for name in names} if names else {"": folder}


def load_splits(path: str | Path, media_root: str | Path | None = None, *, strict: bool = True) -> dict[str, Samples]:
    """What lies at `split_paths`. strict: as of `load_samples`. Raises DataError."""
    return {name: load_samples(place, media_root, strict=strict) for name, place in split_paths(path).items()}


def check(path: str | Path, media_root: str | Path | None = None) -> list[str]:
    """What is wrong with a data set, a line each, empty where nothing is.

    Every row can be read and has an id of its own, every truth parses and earns full accuracy, marks are as many as
    media, every medium opens, is of the kind that it is shown as and lies under the root, no question about the same
    media stands in two splits or twice in one, and no medium's bytes occur in two splits. What is odd (`doubts`) is
    named too. Tars and addresses, which training alone reads, are checked as well. A file that cannot be read at all
    raises DataError.
    """
    problems: list[str] = []
    asked: dict[tuple[str, ...], str] = {}
    homes: dict[str, str] = {}
    for split, samples in _to_check(str(path), media_root).items():
        digests: dict[Path, str] = {}
        with bar(f"check {split}".strip(), len(samples)) as advance:
            for sample in _each(samples):
                if isinstance(sample, str):
                    problems.append(sample)
                    continue
                where = f"{split}/{sample.id}".strip("/")
                problems += [f"{where}: {problem}" for problem in _problems(sample, samples.root, digests)]
                files = [digests.get(samples.root / name, name) for name in sample.media]
                key = (sample.task, sample.question, *sample.options, *files)
                if key in asked:
                    problems.append(f"{where}: the same question about the same media is {asked[key]}")
                asked.setdefault(key, where)
                advance()
        for file, digest in digests.items():
            if homes.setdefault(digest, split) != split:
                problems.append(f"{split}: {file.name} has the bytes of a file in {homes[digest]}")
    return problems


def _to_check(path: str, media_root: str | Path | None) -> Mapping[str, TrainingSet]:
    if is_streamed(path, sys.maxsize):
        return {"": open_stream(path, str(media_root) if media_root else None, buffer=1)}
    return load_splits(path, media_root, strict=False)


def _each(samples: TrainingSet) -> Iterator[Sample | str]:
    """The samples, and what is wrong with rows that are none."""
    if isinstance(samples, Samples):
        yield from (*samples.left_out, *samples.renamed, *samples)
        return
    for position in range(len(samples)):
        try:
            yield samples[position]
        except DataError as error:
            yield str(error)


def _problems(sample: Sample, root: Path, digests: dict[Path, str]) -> Iterator[str]:
    """Faults of one sample; the digests of its media's bytes are added, each file being opened once."""
    try:
        task = get_task(sample.task)
        best = task.best(sample)
        score = task.score(sample, read_answer(f"<think></think><answer>{best}</answer>"))
        # ROUGE-2 has nothing to say of a single word: the measure then tops out below 1.
        if best is not None and score.accuracy < 1 - 1e-9 and score.components.get("rouge1", 0.0) < 1 - 1e-9:
            yield f"its own truth scores {score.accuracy:.3f}; expected 1"
        yield from doubts(sample)
    except (DataError, KeyError) as error:
        yield str(error.args[0])
    for name in sample.media:
        file = root / name
        if file in digests:
            continue
        try:
            sample.paths(root)
            clip = is_clip(file)
            open_clip(file, MediaBudget(frame_pixels=4096)) if clip else open_image(file, 4096)
            shown = {"image": False, "video": True}.get(sample.modality, clip)
            if clip is not shown and file.suffix.lower() != ".gif":  # which may be either
                yield f"{name} is {'a clip' if clip else 'a still picture'}; modality {sample.modality!r}"
            digests[file] = hashlib.sha256(file.read_bytes()).hexdigest()
        except (DataError, MediaError) as error:
            yield str(error)


def stats(path: str | Path, media_root: str | Path | None = None) -> list[Count]:
    """Counts and lengths by split, task and modality."""
    rows = []
    for split, samples in load_splits(path, media_root).items():
        groups: dict[tuple[str, str], list[Sample]] = defaultdict(list)
        for sample in samples:
            groups[sample.task, sample.modality].append(sample)
        for (task, modality), group in sorted(groups.items()):
            lengths = [
                mean(map(len, texts))
                for texts in (
                    [s.question for s in group],
                    [s.truth for s in group],
                    [str(s.meta.get("response", "")) for s in group],
                    [s.media for s in group],
                )
            ]
            rows.append(Count(split, task, modality, len(group), *lengths))
    return rows


def totals(rows: list[Count]) -> Mapping[str, int]:
    """Samples a split."""
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.split] += row.samples
    return counts


def show(
    path: str | Path, out: str | Path, count: int = 39, media_root: str | Path | None = None, *,
    tasks: Collection[str] = (), sources: Collection[str] = (),
) -> Path:  # fmt: skip
    """Write an HTML page with `count` samples of the first split, drawn with their truth, and their worked answers.

    tasks, sources: only samples of these, where any are given; raises DataError naming the nearest where none is. The
    tasks take turns, and the page shows all or one of them. A sample that cannot be drawn shows its error in its
    place. Pictures take at most PAGE_BYTES together, at the quality that this leaves them.
    """
    split, samples = next(iter(load_splits(path, media_root).items()))
    samples = _chosen(samples, "task", tasks)
    samples = _chosen(samples, "source", sources)
    drawn = [_drawn(sample, samples.root) for sample in _in_turns(samples, count)]
    for quality in QUALITIES:
        cards = [_Card(one, tuple(_uri(picture, quality) for picture in some), why) for one, some, why in drawn]
        if sum(len(uri) for card in cards for uri in card.pictures) <= PAGE_BYTES:
            break
    tasks = list(dict.fromkeys(card.sample.task for card in cards))
    page = templates("onethinker.data").get_template("show.html")
    facts = {"title": str(path), "split": split, "total": len(samples)}
    write_whole(Path(out), page.render(cards=cards, tasks=tasks, style=style("cards.css"), **facts))
    return Path(out)


def _chosen(samples: Samples, what: str, names: Collection[str]) -> Samples:
    """Those whose task, or source, is named; all where nothing is."""
    if not names:
        return samples
    known = sorted({getattr(sample, what) for sample in samples})
    for name in names:
        if name not in known:
            raise DataError(f"no sample of {what} {name!r}; the nearest is {nearest(name, known)!r}")
    return replace(samples, items=tuple(sample for sample in samples if getattr(sample, what) in names))


def _in_turns(samples: Samples, count: int) -> list[Sample]:
    """Up to `count` samples, one of each task, then a second of each, …"""
    turns: Counter[str] = Counter()
    ordered = []
    for position, sample in enumerate(samples):
        ordered.append((turns[sample.task], position, sample))
        turns[sample.task] += 1
    return [sample for _, _, sample in sorted(ordered, key=lambda item: item[:2])[:count]]


@dataclass(frozen=True, slots=True)
class _Card:
    """A sample on the page. pictures: data URIs. problem: why there are none."""

    sample: Sample
    pictures: tuple[str, ...] = ()
    problem: str = ""


def _drawn(sample: Sample, root: Path) -> tuple[Sample, list[Image.Image], str]:
    """A sample's pictures, without its question, which stands beside them; or why there are none."""
    try:
        return sample, [_fitted(picture) for picture in draw_sample(replace(sample, question=""), root)], ""
    except (DataError, MediaError, KeyError) as error:
        return sample, [], str(error)


def _fitted(picture: Image.Image) -> Image.Image:
    if picture.width <= WIDEST:
        return picture
    return picture.resize((WIDEST, round(picture.height * WIDEST / picture.width)), Image.Resampling.LANCZOS)


def draw_sample(sample: Sample, root: Path, answer: Answer | None = None) -> list[Image.Image]:
    """A sample's pictures, or up to four frames of its clip, with truth and answer drawn on."""
    task, drawn = get_task(sample.task), []
    for file in sample.paths(root):
        clip = open_clip(file, _SHOWN)
        frames = [Image.fromarray(frame) for frame in clip.frames]
        drawn += task.draw(sample, answer, frames, [float(t) for t in clip.times])
    return drawn or task.draw(sample, answer, [])


def _uri(image: Image.Image, quality: int) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
