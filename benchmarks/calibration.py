"""How well the agreement of sampled answers tells whether an answer is right, on worlds of difficulty 0, 1 and 2.

    python -m benchmarks.calibration [--model mini-rl] [--questions 130] [--samples 8] [--draw docs/images]

Every question is answered N times at temperature 1; of the answers the consensus is taken (`scoring.consensus`), whose
agreement is the confidence. Printed by difficulty: accuracy of single answers and of the consensus, the expected
calibration error over ten bins and the accuracy at coverage. `--draw` writes both as pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import numpy as np

from onethinker.data.worlds import build_world
from onethinker.engines.base import Sampling
from onethinker.recipes import SHIPPED, override, trained_with
from onethinker.recipes.answering import answering_engine
from onethinker.recipes.tools import recipe_prompts
from onethinker.sample import load_samples
from onethinker.scoring.consensus import calibration, consensus
from onethinker.scoring.rollout import roll_out
from onethinker.studies.pages.figures import lines
from onethinker.util.files import write_whole

DIFFICULTIES = (0, 1, 2)
Pairs = list[tuple[float, float]]
"""(agreement, accuracy of the consensus), one a question."""


def measure(model: str, difficulty: int, questions: int, samples: int) -> tuple[float, Pairs]:
    """Mean accuracy of single answers, and every question's pair."""
    recipe = override(trained_with(model) or SHIPPED["mini"], [f"model.base={model}"])
    with tempfile.TemporaryDirectory() as folder:
        world = build_world(Path(folder) / "w", 1, seed=4, difficulty=difficulty, validation=1, test=questions)
        asked = load_samples(world / "test")
        sampling = Sampling(samples, 1.0, 1.0, recipe.evaluate.max_tokens, 0)
        by_task, single, pairs = defaultdict(list), list[float](), Pairs()
        told = (asked, answering_engine(recipe), recipe_prompts(recipe), recipe.evaluate.budget, sampling)
        for position, rollouts in roll_out(*told):
            single += [rollout.score.accuracy for rollout in rollouts]
            by_task[asked[position].task].append((asked[position], rollouts))
        for found in by_task.values():
            chosen = consensus([sample for sample, _ in found], [[r.answer for r in rs] for _, rs in found])
            pairs += [(c.agreement, rs[c.index].score.accuracy) for c, (_, rs) in zip(chosen, found, strict=True)]
    return fmean(single), pairs


def coverage(pairs: Pairs) -> Pairs:
    """(share of the questions, those of most agreement, and their mean accuracy), both in percent."""
    ranked = [right for _, right in sorted(pairs, key=lambda pair: -pair[0])]
    return [
        (100 * share, 100 * fmean(ranked[: max(1, round(share * len(ranked)))])) for share in np.linspace(0.1, 1, 19)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--model", default="mini-rl")
    parser.add_argument("--questions", type=int, default=130)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--draw", type=Path)
    told = parser.parse_args()
    bins, kept = dict[str, Pairs](), dict[str, Pairs]()
    for difficulty in DIFFICULTIES:
        single, pairs = measure(told.model, difficulty, told.questions, told.samples)
        found = calibration([p[0] for p in pairs], [p[1] for p in pairs])
        name = f"difficulty {difficulty}"
        bins[name] = [(100 * a, 100 * b) for a, b, _ in found["bins"]]  # type: ignore[attr-defined]
        kept[name] = coverage(pairs)
        shares = ", ".join(f"{float(s):.0%} {a:.1%}" for s, a in found["coverage"].items())  # type: ignore[attr-defined]
        print(
            f"{name}: {len(pairs)} questions, single answers {single:.1%}, consensus of {told.samples} "
            f"{fmean(p[1] for p in pairs):.1%}, ECE {found['ece']:.3f}, accuracy at coverage {shares}",
            flush=True,
        )
    if told.draw:
        perfect, title = (
            {"as it should be": [(0.0, 0.0), (100.0, 100.0)]},
            "Accuracy, %, by the agreement of the answers",
        )
        drawn = lines(title, bins | perfect, "as it should be",
                      "agreement, %, mean of ten bins")  # fmt: skip
        write_whole(told.draw / "calibration.svg", drawn)
        drawn = lines(
            "Accuracy, %, of the questions whose answers agree most", kept, "", "share of the questions kept, %"
        )
        write_whole(told.draw / "coverage.svg", drawn)


if __name__ == "__main__":
    main()
