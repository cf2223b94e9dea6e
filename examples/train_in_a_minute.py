"""The whole way in one file: a world of pictures and clips, a little SFT, a little EMA-GRPO, one question.

    python examples/train_in_a_minute.py [FOLDER]

The model learns next to nothing in so few steps; `onethinker demo` does the same at length.
"""

import sys
import tempfile
from pathlib import Path

from onethinker import load_model, load_samples
from onethinker.data.worlds import build_world
from onethinker.recipes import load_recipe
from onethinker.train.rl import run_rl
from onethinker.train.sft import run_sft

folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp())
world = build_world(folder / "world", n=130, seed=0)
train = load_samples(world / "train")

sft = load_recipe("mini", ["sft.steps=10"])
model = run_sft(sft, train, folder / "sft")

rl = load_recipe("mini", [f"model.base={model}", "rl.steps=1", "rl.prompts=4", "rl.minibatch=4", "rl.max_tokens=48"])
model = run_rl(rl, train, folder / "rl")

sample = load_samples(world / "test").of_task("spatial_grounding")[0]
trained = load_model(str(model))
result = trained.ask(world / "test" / sample.media[0], sample.question, task=sample.task)
print(f"{sample.question}\n  {result.status}: {result.response[:200]}")
print(f"  drawn in {result.save(folder / 'answer.png')}")
