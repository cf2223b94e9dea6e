"""A checkpoint's README.md: the prompts that it learned, and how to ask it with transformers alone."""

from __future__ import annotations

import json
import re
from pathlib import Path

from onethinker.recipes.base import Recipe
from onethinker.recipes.tools import recipe_prompts
from onethinker.tasks.prompts import PromptSet

CARD = "README.md"

SNIPPET = """\
import sys
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.video_utils import load_video

folder, media, question = sys.argv[1:]
model = AutoModelForImageTextToText.from_pretrained(folder, dtype="{dtype}")
processor = AutoProcessor.from_pretrained(folder)
kind, prompt = "video" if media.endswith(".mp4") else "image", {prompt}.replace("{{question}}", question)
messages = [{system}{{"role": "user", "content": [{{"type": kind}}, {{"type": "text", "text": prompt}}]}}]
text = processor.apply_chat_template(messages, add_generation_prompt=True)
if kind == "video":
    frames, metadata = load_video(media, backend="pyav")
    inputs = processor(text=[text], videos=[frames], video_metadata=[metadata], return_tensors="pt")
else:
    inputs = processor(text=[text], images=[Image.open(media).convert("RGB")], return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens={max_tokens}, do_sample=False)
print(processor.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
"""

PAGE = """\
---
library_name: transformers
pipeline_tag: image-text-to-text
tags: [onethinker]
---
# {name}

Trained with the recipe `{recipe}` from `{base}`. `onethinker ask MEDIA "question" --model FOLDER` asks it as it was
trained; `{file}` beside this file has every setting.

With transformers alone (and PyAV to read clips), as `python ask.py FOLDER picture.png "question"`:

```python
{snippet}```

The answer is that of `onethinker ask`, but for what the processor's files cannot express: of a clip they take frames
spread evenly over its frame *numbers*, where `onethinker` takes those on screen every 1/{fps:g} s, so a clip at another
rate than {fps:g} frames a second may show other frames, and one at a variable rate shows them at other times than it
says. Pictures of more than {image_pixels:,} pixels and frames of more than
{frame_pixels:,} are shrunk by another filter.

## Prompts

Other tasks were asked in other words. `{{question}}` and, of multiple choice, `{{options}}` are filled in:

{prompts}
"""


def write_card(folder: Path, recipe: Recipe, file: str) -> None:
    """`README.md` in a checkpoint's folder. file: the name of the recipe beside it. Raises PromptError."""
    prompts, budget = recipe_prompts(recipe), recipe.evaluate.budget
    page = PAGE.format(
        name=f"OneThinker {recipe.name}",
        recipe=recipe.name,
        base=recipe.model.base,
        file=file,
        snippet=snippet(recipe, prompts),
        fps=budget.fps,
        image_pixels=budget.image_pixels,
        frame_pixels=budget.frame_pixels,
        prompts="\n\n".join(f"**{task}**\n\n{_fenced(text)}" for task, text in prompts.templates.items()),
    )
    (folder / CARD).write_text(page, encoding="utf-8")


def snippet(recipe: Recipe, prompts: PromptSet) -> str:
    """The lines that ask with transformers alone: an open-ended question, or the first task's that the set has."""
    template = prompts.templates.get("open_ended", next(iter(prompts.templates.values())))
    system = (
        json.dumps({"role": "system", "content": prompts.system}, ensure_ascii=False) + ", " if prompts.system else ""
    )
    return SNIPPET.format(
        dtype=recipe.model.dtype,
        prompt=json.dumps(re.sub(r"\s*\{options\}", "", template), ensure_ascii=False),
        system=system,
        max_tokens=recipe.evaluate.max_tokens,
    )


def _fenced(text: str) -> str:
    fence = "`" * max(4, 1 + max((len(run) for run in text.split() if set(run) == {"`"}), default=0))
    return f"{fence}text\n{text}\n{fence}"
