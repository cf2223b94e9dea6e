"""Video question answering and captioning, the paper's Tables 2 and 3; clips at 2 frames a second, at most 128 frames.

                VideoMMMU  MMVU(mc)  VideoMME  Video-Holmes  LongVideoBench  LongVideo-Reason  VideoMathQA
Qwen3-VL-8B     63.3       65.6      64.0      40.9          61.5            71.5              24.3
OneThinker-8B   66.2       70.5      66.5      48.7          61.7            79.2              35.0

                MMSci-Caption  MMT-Caption  VideoMMLU-Caption
Qwen3-VL-8B     15.1           47.3         20.0
OneThinker-8B   25.7           57.9         28.0

The paper does not say how it graded captions. The release runs VLMEvalKit's `MMSci_DEV_Captioning_image_only`,
`Video_MMLU_CAP` and `MMT-Bench_VAL`, and nothing called MMT-Caption: what MMT-Bench has of captions is its ability
`visual_captioning`, which is multiple choice. A judge of your choice grades the other two here, and its grades are no
match for the paper's numbers.
"""

from __future__ import annotations

from onethinker.evaluate.benchmarks.base import HERE, UNKNOWN_LICENCE, Benchmark, Place, both, released, vlmevalkit

BENCHMARKS = (
    Benchmark(
        name="videommmu", title="VideoMMMU", family="video_qa", task="multiple_choice", split="test", size=900,
        metric="accuracy", licence="card: clips belong to their channels, accept its conditions first",
        origin=f"{HERE}; hub data set lmms-lab/VideoMMMU",
        places=(released("eval_videommmu"), Place("videommmu", "VideoMMMU", "test")), table="Table 2",
        published=both("accuracy", "63.3", "66.2"),
        note="from the hub's files a question has its track's instruction in lmms-eval's words: the picture of an "
        "adaptation question is at the end of its clip, the others are to ignore it; open questions as in `mmmu`",
    ),
    Benchmark(
        name="mmvu", title="MMVU (multiple choice)", family="video_qa", task="multiple_choice", split="validation",
        size=625, metric="accuracy", licence=UNKNOWN_LICENCE, origin=f"{HERE}; hub data set yale-nlp/MMVU",
        places=(released("eval_mmvu"), Place("mmvu", "MMVU", "validation")), table="Table 2",
        published=both("accuracy", "65.6", "70.5"),
    ),
    Benchmark(
        name="videomme", title="VideoMME (without subtitles)", family="video_qa", task="multiple_choice", split="test",
        size=2700, metric="accuracy", licence="academic research only (its repository)",
        origin=f"{HERE}; hub data set lmms-lab/Video-MME",
        places=(released("eval_videomme"), Place("videomme", "Video-MME", "test")), table="Table 2",
        published=both("accuracy", "64.0", "66.5"),
    ),
    Benchmark(
        name="video_holmes", title="Video-Holmes", family="video_qa", task="multiple_choice", split="test", size=1837,
        metric="accuracy", licence="Apache-2.0, academic purposes only (its card)",
        origin="hub data set TencentARC/Video-Holmes",
        places=(Place("video-holmes", "Video-Holmes", "test"),),
        table="Table 2", published=both("accuracy", "40.9", "48.7"),
    ),
    Benchmark(
        name="longvideobench", title="LongVideoBench", family="video_qa", task="multiple_choice", split="validation",
        size=1337, metric="accuracy", licence="CC BY-NC-SA 4.0 (its card), accept its conditions first",
        origin="hub data set longvideobench/LongVideoBench",
        places=(Place("longvideobench", "LongVideoBench", "val"),),
        table="Table 2", published=both("accuracy", "61.5", "61.7"), note="asked without subtitles",
    ),
    Benchmark(
        name="longvideo_reason", title="LongVideo-Reason", family="video_qa", task="multiple_choice", split="test",
        size=1000, metric="accuracy", licence=UNKNOWN_LICENCE,
        origin=f"{HERE}; hub data set LongVideo-Reason/longvideo-reason",
        places=(released("eval_longvideoreason"), Place("longvideo-reason", "LongVideo-Reason", "test")),
        table="Table 2", published=both("accuracy", "71.5", "79.2"),
    ),
    Benchmark(
        name="videomathqa", title="VideoMathQA", family="video_qa", task="multiple_choice", split="test", size=420,
        metric="accuracy", licence=UNKNOWN_LICENCE, origin=f"{HERE}; hub data set MBZUAI/VideoMathQA",
        places=(released("eval_videomathqa"), Place("videomathqa", "VideoMathQA", "test")), table="Table 2",
        published=both("accuracy", "24.3", "35.0"),
    ),
    Benchmark(
        name="mmsci_caption", title="MMSci-Caption", family="caption", task="caption", split="dev", size=None,
        metric="judge", licence="CC BY 4.0 (its paper)", origin="VLMEvalKit's TSV; repository Leezekun/MMSci",
        places=(vlmevalkit("MMSci_DEV_Captioning_image_only"), Place("mmsci-caption", "MMSci", "dev")), judge=True,
        table="Table 3", published=both("judge", "15.1", "25.7"), reason="no source counts the questions of dev",
        note="without the article, as the release's script runs it; its authors blank the captions of test; VLMEvalKit "
        "measures BLEU, ROUGE, METEOR, CIDEr and BERTScore and has GPT give 1 to 5 points",
    ),
    Benchmark(
        name="mmt_caption", title="MMT-Caption", family="caption", task="multiple_choice", split="val", size=None,
        metric="accuracy", licence="CC BY 4.0 (its card)", origin="VLMEvalKit's TSV; hub data set OpenGVLab/MMT-Bench",
        places=(vlmevalkit("MMT-Bench_VAL"),), where={"l2-category": ("visual_captioning",)}, mean_over="category",
        table="Table 3", published=both("accuracy", "47.3", "57.9"), reason="no source counts its questions",
        note="likely: the paper does not say what it is; here MMT-Bench's ability `visual_captioning`, multiple "
        "choice, the mean of its subtasks as VLMEvalKit reports an ability of MMT-Bench",
    ),
    Benchmark(
        name="videommlu_caption", title="VideoMMLU-Caption", family="caption", task="caption", split="test", size=1065,
        metric="judge", licence="Apache-2.0 (its card)", origin="hub data set Enxin/Video-MMLU",
        places=(Place("videommlu-caption", "Video-MMLU", "test"),), judge=True, table="Table 3",
        published=both("judge", "20.0", "28.0"),
        note="size: the clips of the set; the judge compares a caption with the set's own, where its authors' tool has "
        "Qwen2.5-72B answer the set's `captions_qa` from the caption alone, grades each answer, and takes the mean of "
        "the three disciplines: no like comparison",
    ),
)  # fmt: skip
