"""A corpus's data card: README.md with the front matter that a hub reads, counts, licences and hashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from onethinker.corpus.summary import Summary
from onethinker.util.files import write_whole

CARD = "README.md"
SIZES = (
    (1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)  # fmt: skip
"""The hub's names for sizes (huggingface/hub-docs, datasetcard.md)."""
QUESTIONS = frozenset(("multiple_choice", "numerical", "regression", "math", "ocr", "open_ended"))


def write_card(summary: Summary, folder: Path) -> Path:
    file = folder / CARD
    write_whole(file, card(summary))
    return file


def front_matter(summary: Summary) -> dict[str, Any]:
    """license: of the whole only where every source has the same; `other` says to look at each."""
    licences = sorted({source.licence for source in summary.sources if source.taken})
    return {
        "license": "other",
        "license_name": "by-source",
        "pretty_name": summary.name,
        "task_categories": categories(summary),
        "language": ["en"],
        "size_categories": [next((name for most, name in SIZES if summary.samples < most), "n>10M")],
        "tags": ["vision-language", "reasoning", "onethinker"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "samples-*.parquet"}]}],
    } | ({} if licences else {"license": "unknown"})


def categories(summary: Summary) -> list[str]:
    """The hub's task categories of what the corpus asks."""
    found = set()
    for cell, count in summary.cells.items():
        task, modality = cell.split(" · ")
        if not count:
            continue
        if modality == "text":
            found.add("question-answering")
        elif task in QUESTIONS:
            found.add("visual-question-answering" if modality == "image" else "video-text-to-text")
        elif task == "caption":
            found.add("image-to-text" if modality == "image" else "video-text-to-text")
        elif "segmentation" in task:
            found.add("image-segmentation" if modality == "image" else "mask-generation")
        else:
            found.add("object-detection" if modality == "image" else "video-text-to-text")
    return sorted(found)


def card(summary: Summary) -> str:
    """The whole text."""
    head = yaml.safe_dump(front_matter(summary), sort_keys=False, allow_unicode=True)
    lines = [
        f"---\n{head}---", "", f"# {summary.name}", "",
        f"{summary.samples:,} samples, built by `onethinker data build` from the data sets below. Boxes and points run "
        "from 0 to 1000 of width and height, times are in seconds; the columns are those of `onethinker.Sample`, "
        "`meta` is JSON.", "",
        _where(summary), "",
        "## Counts", "", "| task | samples |", "|---|---:|",
        *(f"| {task} | {count:,} |" for task, count in summary.counts(0).items()), "",
        "| modality | samples |", "|---|---:|",
        *(f"| {modality} | {count:,} |" for modality, count in summary.counts(1).items()), "",
        "## Sources", "",
        "Every source keeps its own licence, named as its owner states it; mind it before you use or pass on the data.",
        "", "| source | samples | split | licence |", "|---|---:|---|---|",
        *(f"| {_cell(s.key)} | {s.taken:,} | {_cell(s.split)} | {_cell(s.licence or 'not stated')} |"
          for s in summary.sources if s.taken), "",
    ]  # fmt: skip
    if summary.shortfalls:
        lines += ["## Shortfalls", "", *(f"- {_cell(line)}" for line in summary.shortfalls), ""]
    return "\n".join([
        *lines, "## Made from", "",
        f"- recipe `{summary.recipe['name']}`, seed {summary.recipe['seed']}: SHA-256 `{summary.recipe_hash}`",
        *(f"- {s.key}: `{s.inputs}`" for s in summary.sources if s.taken),
        f"- all inputs: `{summary.inputs_hash}`", "",
        "An input's hash is over the questions that could be taken of it, whatever their order. The same recipe and "
        "inputs give the same bytes.", "",
    ])  # fmt: skip


def _where(summary: Summary) -> str:
    if summary.media == "stay":
        return "Media paths are relative to the folder of the data sets (`--media-root`)."
    return "Media paths are relative to this folder."


def _cell(text: str) -> str:
    """Text of others in one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
