"""Image question answering, the paper's Table 1, and the six unseen tasks of its Figure 5.

                MMMU  MathVista  MathVerse  MMBench  MMStar  ScienceQA  AI2D  MMT-Bench
Qwen3-VL-8B     60.2  74.2       58.1       85.1     68.5    92.0       82.3  64.1
OneThinker-8B   70.6  77.6       64.3       86.6     70.6    96.5       85.2  67.8

The paper runs them in VLMEvalKit and names no splits; these are the ones that VLMEvalKit's users report. Its answer
extraction by GPT is not needed here: the answer stands in its block, and choices, numbers and formulas are compared
by rule. Figure 5 is a bar chart without numbers.
"""

from __future__ import annotations

from onethinker.evaluate.benchmarks.base import UNKNOWN_LICENCE, Benchmark, Place, both, vlmevalkit

TSV = "VLMEvalKit's TSV; "


def _unseen(name: str, title: str, *categories: str) -> Benchmark:
    return Benchmark(
        name=f"unseen_{name}", title=title, family="zero_shot", task="multiple_choice", split="val", size=None,
        metric="accuracy", licence="CC BY 4.0 (its card)", origin=TSV + "hub data set OpenGVLab/MMT-Bench",
        places=(vlmevalkit("MMT-Bench_VAL"),), where={"category": categories}, table="Figure 5",
        reason="a bar chart without numbers, and no count of its questions",
        note="a subtask of MMT-Bench that no training task resembles",
    )  # fmt: skip


BENCHMARKS = (
    Benchmark(
        name="mmmu", title="MMMU", family="image_qa", task="multiple_choice", split="validation", size=900,
        metric="accuracy", licence="Apache-2.0 (its card)", origin=TSV + "hub data set MMMU/MMMU",
        places=(vlmevalkit("MMMU_DEV_VAL"), Place("mmmu", "MMMU", "validation")), where={"split": ("validation",)},
        table="Table 1",
        published=both("accuracy", "60.2", "70.6"),
        note="the 53 open questions take any of their accepted answers, as numbers to two decimals, formulas or words "
        "in any case, as the authors' tool does, which also takes a longer text that holds one (VLMEvalKit makes them "
        "a choice between an answer and `Other Answers`, which GPT reads off); where one is no number, the question "
        "ends with the authors' `Answer the question using a single word or phrase.`",
    ),
    Benchmark(
        name="mathvista", title="MathVista", family="image_qa", task="multiple_choice", split="testmini", size=1000,
        metric="accuracy", licence="CC BY-SA 4.0 (its card)", origin=TSV + "hub data set AI4Math/MathVista",
        places=(vlmevalkit("MathVista_MINI"), Place("mathvista", "MathVista", "testmini")), table="Table 1",
        published=both("accuracy", "74.2", "77.6"),
        note="choices that the TSV repeats in its questions are shown once, as options; a decimal answer is "
        "rounded to the question's `precision` and is then to equal the truth, as in the authors' tool (VLMEvalKit "
        "compares it as it is); that tool cuts off the decimals of an answer to an integer question, neither "
        "VLMEvalKit nor we do",
    ),
    Benchmark(
        name="mathverse", title="MathVerse", family="image_qa", task="math", split="testmini", size=3940,
        metric="accuracy", licence="MIT (its card)", origin=TSV + "hub data set AI4Math/MathVerse",
        places=(vlmevalkit("MathVerse_MINI"), vlmevalkit("MathVerse_MINIV"),
                Place("mathverse", "MathVerse", "testmini")), table="Table 1",
        published=both("accuracy", "58.1", "64.3"),
        note="all five versions of each problem, as the release's script runs (`MathVerse_MINI`; before, VLMEvalKit "
        "called the file `MathVerse_MINIV`); answers that are an option's text or a letter in brackets count as its "
        "letter, problems with two right options want both, such as `C, D`; the authors' tool has GPT compare",
    ),
    Benchmark(
        name="mmbench", title="MMBench", family="image_qa", task="multiple_choice", split="dev, English", size=4329,
        metric="accuracy", licence="Apache-2.0 (its repository)", origin=TSV + "MMBench's project page",
        places=(vlmevalkit("MMBench_DEV_EN"), Place("mmbench", "MMBench", "dev-en")), circular=True, table="Table 1",
        published=both("accuracy", "85.1", "86.6"),
        note="size counts every rotation of the options; a question is right if all its rotations are; a hint is shown "
        "as VLMEvalKit shows it, `Hint: … Question: …`",
    ),
    Benchmark(
        name="mmstar", title="MMStar", family="image_qa", task="multiple_choice", split="val", size=1500,
        metric="accuracy", licence=UNKNOWN_LICENCE, origin=TSV + "hub data set Lin-Chen/MMStar",
        places=(vlmevalkit("MMStar"), Place("mmstar", "MMStar", "val")), table="Table 1",
        published=both("accuracy", "68.5", "70.6"), mean_over="category",
        note="the mean of its six categories, 250 questions each, which is VLMEvalKit's mean over questions where none "
        "is missing; lmms-eval's is over the 18 finer ones",
    ),
    Benchmark(
        name="scienceqa", title="ScienceQA", family="image_qa", task="multiple_choice", split="test, with image",
        size=2017, metric="accuracy", licence="CC BY-NC-SA 4.0 (its repository)",
        origin=TSV + "ScienceQA's project page",
        places=(vlmevalkit("ScienceQA_TEST"), Place("scienceqa", "ScienceQA", "test")), table="Table 1",
        published=both("accuracy", "92.0", "96.5"),
        note="a hint is shown as VLMEvalKit shows it, `Hint: … Question: …`",
    ),
    Benchmark(
        name="ai2d", title="AI2D", family="image_qa", task="multiple_choice", split="test", size=3088,
        metric="accuracy", licence=UNKNOWN_LICENCE, origin=TSV + "Allen Institute for AI, AI2 Diagrams",
        places=(vlmevalkit("AI2D_TEST"), Place("ai2d", "AI2D", "test")), table="Table 1",
        published=both("accuracy", "82.3", "85.2"),
    ),
    Benchmark(
        name="mmt_bench", title="MMT-Bench", family="image_qa", task="multiple_choice", split="val", size=3127,
        metric="accuracy", licence="CC BY 4.0 (its card)", origin=TSV + "hub data set OpenGVLab/MMT-Bench",
        places=(vlmevalkit("MMT-Bench_VAL"),), table="Table 1", published=both("accuracy", "64.1", "67.8"),
    ),
    _unseen("point_tracking", "Point tracking", "point_tracking"),
    _unseen("image_quality", "Image quality assessment", "image_quality_assessment"),
    _unseen("industrial_anomaly", "Industrial anomaly detection", "industrial_anomaly_detection",
            "industrial_produce_anomaly_detection", "anomaly_detection_industrial"),
    _unseen("rotated_detection", "Rotated object detection", "rotated_object_detection"),
    _unseen("gui_web_shopping", "GUI: web shopping", "gui_web_shopping", "web_shopping"),
    _unseen("gui_install", "GUI: install", "gui_install", "install"),
)  # fmt: skip
