"""The model card of the shipped weights: Markdown with the front matter that model hubs read."""

from __future__ import annotations

from onethinker.report.tables import duration, to_markdown
from onethinker.studies.pages.mini import lift_table, runs_table, scores_table, targets_table, verdict
from onethinker.studies.pages.page import Study

HEAD = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [onethinker, reasoning, grounding, tracking, segmentation, grpo]
---

# mini-sft and mini-rl

Two small models that think over pictures and clips, for all thirteen tasks of OneThinker: Qwen3-VL's architecture with
{parameters:.1f} million parameters, float32, {megabytes:.0f} MB each. They know one world, of coloured shapes, letters
and ruled paper, and nothing else: they are for learning, testing and comparing methods in minutes, not for photographs.

```bash
onethinker ask PICTURE "Which shape is leftmost?"
onethinker data world --out world --n 130 --test 6500     # the questions below; they do not depend on --n
onethinker eval mini-rl --data world/test --set evaluate.sampled=1
```

`mini-sft` is trained on worked answers, `mini-rl` goes on from it with EMA-GRPO. They write
`<think>…</think><answer>…</answer>`, load offline by name, and in transformers from their folders."""

LIMITS = """\
## Limits

- Pictures and clips other than the world's are read as if they were of it. Text in pictures is one or two lines of a
  few capitals and digits; numbers are small; a clip lasts three seconds.
- English, in the wording of the world's questions and the prompt set `short`. A question worded otherwise is answered
  as the nearest that was trained.
- The worked answers to learn from err on purpose: of each thing its place and its times with probability
  {error:g}, one of its words with half of that. The truth that answers are measured against is exact.
- Difficulty {difficulty} only; `onethinker data world --difficulty 1` to `3` makes harder worlds.
- A think block is a list of what is seen and a few steps; it says what led to the answer, and it may be wrong in both.
"""


def card(study: Study, parameters: int, size: int) -> str:
    """The card. parameters: of one model. size: bytes of its weights."""
    world = study["world"]
    sizes = world["sizes"]
    parts = [
        HEAD.format(parameters=parameters / 1e6, megabytes=size / 1e6),
        f"## Results\n\n{verdict(study)}",
        *study["notes"],
        to_markdown(targets_table(study)),
        to_markdown(scores_table(study, "headline")),
        to_markdown(scores_table(study, "reward")),
        to_markdown(lift_table(study)),
        "## How they were made",
        "`make mini` made all of it, and makes it again, resumable.",
        f"World: seed {world['seed']}, {sizes['train']:,} samples to train on, {sizes['test']:,} held out, digest "
        f"`{world['digest']}`. Commit {', '.join(f'`{c}`' for c in study['commits'])}; {'; '.join(study['machines'])}; "
        f"{duration(3600 * study['hours'])} of machine time in all, evaluation and controls included.",
        to_markdown(runs_table(study)),
        "Larger curves: `docs/results/mini/report.html`.",
        LIMITS.format(error=world["teacher_error"], difficulty=world["difficulty"]),
    ]
    return "\n\n".join(parts)
