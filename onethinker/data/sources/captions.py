"""Captions of pictures and clips, the data sets that are tables. Their papers have judges grade them."""

from __future__ import annotations

from onethinker.data.sources.table import Table, by_letter, file_named, said

TABLES = (
    Table(
        "mmsci-caption",
        "benchmark/dev/image_caption_generation_data.json and benchmark/dev/images/, the authors' layout; test, train",
        {split: (f"benchmark/{split}/image_caption_generation_data.json",) for split in ("test", "dev", "train")},
        "image",
        said("Write the caption of this figure from a scientific article."),
        by_letter("caption"),
        file_named("{image}", [f"benchmark/{split}/images" for split in ("test", "dev", "train")]),
        modality="image",
        task="caption",
        meta=("category", "subject"),
    ),
    Table(
        "videommlu-caption",
        "data/Video_MMLU-*.parquet (the hub's) or Video_MMLU*.jsonl; youtube_videos/VIDEO.mp4",
        {"test": ("data/Video_MMLU-*.parquet", "Video_MMLU*.parquet", "Video_MMLU*.jsonl")},
        "video_id",
        said("Describe this lecture clip in detail: what is said, written and shown."),
        by_letter("caption"),
        file_named("{video_id}", ("youtube_videos", "videos")),
        task="caption",
        folders=(("youtube_videos", "videos"),),
    ),
)
SOURCES = tuple(table.source() for table in TABLES)
