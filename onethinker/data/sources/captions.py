"""Captions of pictures and clips, the data sets that are tables. Their papers have judges grade them.

MMSci's layout and split: mmsci-data/README.md and DATACARD.md of Leezekun/MMSci, by which the test's captions are
withheld and dev is to be used, as the release does (VLMEvalKit's `MMSci_DEV_Captioning_image_only`); the question is
that of its run_captioning.py without the article. Video-MMLU's fields: post_eval/gener_qa.py of its repository.
"""

from __future__ import annotations

from onethinker.data.sources.table import Table, by_letter, file_named, said

TABLES = (
    Table(
        "mmsci-caption",
        "benchmark/dev/image_caption_generation_data.json and benchmark/dev/images/, as the authors' benchmark.zip "
        "unpacks; train alike. The test's captions are blank",
        {split: (f"benchmark/{split}/image_caption_generation_data.json",) for split in ("dev", "train")},
        "image",
        said("Please write a detailed description of the whole figure and all sub-figures."),
        by_letter("caption"),
        file_named("{image}", [f"benchmark/{split}/images" for split in ("dev", "train")]),
        modality="image",
        task="caption",
        meta=("category", "subject"),
        licence="CC-BY-4.0 (its paper)",
        evidence="Leezekun/MMSci mmsci-data/README.md, DATACARD.md",
        train="train",
    ),
    Table(
        "videommlu-caption",
        "video_mmlu.jsonl, the hub's, or its Parquet, Video_MMLU/*.parquet; youtube_videos/VIDEO.mp4, its archives",
        {"test": ("video_mmlu.jsonl", "Video_MMLU*.jsonl", "Video_MMLU/*.parquet", "*/Video_MMLU*.parquet")},
        "video_id",
        said("Describe this lecture clip in detail: what is said, written and shown."),
        by_letter("caption"),
        file_named("{video_id}", ("youtube_videos", "videos")),
        task="caption",
        folders=(("youtube_videos", "videos"),),
        meta=("discipline",),
        licence="Apache-2.0 (its card)",
        evidence="Espere-1119-Song/Video-MMLU post_eval/gener_qa.py",
    ),
)
SOURCES = tuple(table.source() for table in TABLES)
