"""Draws answers turn by turn, one a tool, into docs/images: `python docs/transcripts.py [MODEL]`.

MODEL: a checkpoint that was trained with tools, such as a cell's of `onethinker bench tools`; the first right answer
with each of them is drawn. Without one it is the world's teacher that answers, whose calls the tools really answer.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from onethinker import load_model, load_samples
from onethinker.data.worlds import NEEDS, build_needs
from onethinker.engines.scripted import ScriptedEngine
from onethinker.inference import Model
from onethinker.media import MediaBudget
from onethinker.recipes import trained_with
from onethinker.sample import Samples
from onethinker.tasks import get_task
from onethinker.tasks.prompts import load_prompts
from onethinker.tools import make_tools
from onethinker.tools.engine import ToolEngine

BUDGET = MediaBudget(image_pixels=64 * 64, frame_pixels=64 * 64, fps=2.0, max_frames=6)
IMAGES = Path(__file__).parent / "images"


def main(model: str = "") -> None:
    with tempfile.TemporaryDirectory() as made:
        needs = [*recipe.tools.names] if model and (recipe := trained_with(model)) else list(NEEDS)
        folder = build_needs(Path(made) / "w", 3, seed=11, needs=needs, validation=1, test=30 if model else 3)
        samples = load_samples(folder / "test")
        knowledge = folder / "knowledge"
        asked = load_model(model, tools=needs, knowledge=knowledge) if model else _teacher(samples, knowledge)
        for need in needs:
            for sample in (s for s in samples if s.meta["needs"] == need):
                (medium,) = sample.paths(samples.root)
                result = asked.ask(medium, sample.question, task=sample.task, options=sample.options)
                if result.ok and result.turns and get_task(sample.task).score(sample, result.answer).accuracy == 1:
                    file = IMAGES / f"tools-{need}.png"
                    result.transcript().quantize(128).save(file, optimize=True)
                    print(file)
                    break


def _teacher(samples: Samples, knowledge: Path) -> Model:
    """Answers as the worked answers do."""
    worked = {sample.question: [*sample.meta["turns"], sample.meta["response"]] for sample in samples}

    def say(request, _: int) -> str:  # type: ignore[no-untyped-def]
        return next(said[len(request.turns)] for question, said in worked.items() if question in request.text)

    engine = ToolEngine(ScriptedEngine(say), make_tools(list(NEEDS), knowledge))
    return Model(engine, load_prompts("short"), BUDGET, 128)


if __name__ == "__main__":
    main(*sys.argv[1:2])
