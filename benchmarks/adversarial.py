"""What hostile answers do to scoring: status, and the longest time of one answer, strictly and leniently.

    python -m benchmarks.adversarial

Every class × every task, within an answer block and as bare text. `tests/tasks/test_adversarial.py` holds the bounds.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from onethinker.sample import Sample
from onethinker.sample.answer import read_answer
from onethinker.tasks import TASKS
from onethinker.tasks.base import REWARDS, Score


def _boxes(count: int, time: str) -> str:
    boxes = ",".join(f'"{i}":[100,200,300,400]' for i in range(count))
    return f'{{"time": {time}, "boxes": {{{boxes}}}}}'


CLASSES: dict[str, tuple[str, ...]] = {
    "duplicate keys": (
        '{"time": [1, 2], "time": [3, 9], "boxes": [1, 2, 3, 4], "boxes": [1, 2, 3, 5]}',
        '{"boxes": {"1": [1, 2, 3, 4], "1": [1, 2, 3, 5]}, "time": [1, 2]}',
    ),
    "NaN": ('{"time": [NaN, NaN], "boxes": [NaN, NaN, NaN, NaN]}', "NaN", '{"time": NaN, "boxes": {"1": NaN}}'),
    "Infinity": ('{"time": [0, Infinity], "boxes": [0, 0, Infinity, Infinity]}', "-Infinity", "inf", "∞"),
    "1e999": ('{"time": [0, 1e999], "boxes": [0, 0, 1e999, 1e999]}', "1e999", "-1e999", "9" * 4000),
    "1e308": ('{"time": [-1e308, 1e308], "boxes": [-1e308, -1e308, 1e308, 1e308]}', "1e308"),
    "booleans as numbers": ('{"time": [false, true], "boxes": [false, false, true, true]}', "true"),
    "10,000 levels": ("[" * 10_000 + "]" * 10_000, '{"boxes":' * 10_000 + "1" + "}" * 10_000, "(" * 10_000),
    "10 MB": ("a" * 10_000_000, "[1," * 3_300_000, "dog " * 2_500_000),
    "just under the limit of a response": ("dog " * 240_000, "9" * 990_000, '{"' * 490_000),
    "a million boxes": (_boxes(1_000_000, "[0, 9]"),),
    "ten thousand boxes": (_boxes(10_000, "[0, 9e5]"),),
    "lone surrogates": ('{"boxes": "\ud800", "\udfff": 1}', r'{"boxes": {"\ud800": [1, 2, 3, 4]}}', "\ud800" * 1000),
    "right-to-left marks": ('\u202e{"time": [1, 2], "boxes": [1, 2, 3, 4]}\u202c', "\u202eB\u202c", "\u200f7"),
    "regex bombs": (
        "the answer is " * 2000, "(A" + " " * 30_000, "1," + "000," * 8000, "a" * 30_000 + "!", "\\boxed{" * 4000,
        "0" * 30_000 + "x", " \t" * 15_000 + "x", "1/" * 15_000, "option " * 4000, '"' * 30_000, "```" * 10_000,
    ),
    "tag bombs": ("<answer>" * 100_000, "<think>" * 100_000, "</think><answer>" * 50_000, "</answer><think>" * 50_000),
    "mathematics that never ends": ("$9^{9^{9^{9}}}$", r"\frac{1}{" * 200 + "1" + "}" * 200, "$" + "x^" * 900 + "x$"),
}  # fmt: skip


@dataclass
class Found:
    """What a class came to. json, text: statuses in tasks of either sort. worst: processor seconds, task. broken:
    promises."""

    cases: int = 0
    json: Counter[str] = field(default_factory=Counter)
    text: Counter[str] = field(default_factory=Counter)
    worst: tuple[float, str] = (0.0, "")
    broken: list[str] = field(default_factory=list)


def run(name: str, samples: dict[str, Sample]) -> Found:
    """Score a class's answers for every task."""
    found = Found()
    for task, sample in samples.items():
        for number, (response, lenient) in enumerate(_responses(name, task)):
            began = time.process_time()
            try:
                score = TASKS[task].score(sample, read_answer(response), lenient=lenient)
            except Exception as error:
                found.broken.append(f"{task}, case {number}: {type(error).__name__}")
                continue
            found.worst = max(found.worst, (time.process_time() - began, task))
            found.cases += 1
            (found.json if TASKS[task].structured else found.text)[score.status.value] += 1
            found.broken += [f"{task}, case {number}: {what}" for what in out_of_range(task, score)]
    return found


def _responses(name: str, task: str) -> Iterator[tuple[str, bool]]:
    for text in CLASSES[name]:
        for response in (f"<think>so</think><answer>{text}</answer>", text):
            yield response, False
            if task != "math":  # reads alike in both ways, and each costly equation costs its time limit
                yield response, True


def out_of_range(task: str, score: Score) -> Iterator[str]:
    """The promises on a score that it breaks."""
    for name, value in {"accuracy": score.accuracy, **score.components}.items():
        if not 0 <= value <= 1:
            yield f"{name} {value}"
    for profile in REWARDS:
        paid = REWARDS[profile]
        if not paid.least <= score.reward(profile) <= paid.most(TASKS[task].paper_max) + 1e-12:
            yield f"{profile} reward {score.reward(profile)}"
    if not math.isfinite(score.structure) or "NaN" in json.dumps(score.evidence):
        yield "structure or evidence is not finite"


def questions() -> dict[str, Sample]:
    """A sample a task, with a truth that reads."""
    from benchmarks.hacking import SEARCHED, make_question

    made = {task: make_question(task, 0).sample for task in SEARCHED}
    made["math"] = Sample("0", "math", "image", "What?", r"\frac{3}{2}")
    more = {name: task for name, task in TASKS.items() if name not in made}
    return made | {
        name: Sample("0", name, task.modalities[0], "What?", task.example_truth) for name, task in more.items()
    }


def main() -> None:
    samples = questions()
    for task, sample in samples.items():  # loads what is loaded on first use
        TASKS[task].score(sample, read_answer("<think></think><answer>\\sqrt{2}</answer>"))
    print("| class | cases | in JSON tasks | in text tasks | worst | in |\n|---|---:|---|---|---:|---|")
    for name in CLASSES:
        found = run(name, samples)
        json_, text = (", ".join(f"{s} {n}" for s, n in sorted(c.items())) for c in (found.json, found.text))
        print(f"| {name} | {found.cases} | {json_} | {text} | {1e3 * found.worst[0]:.1f} ms | {found.worst[1]} |")
        for broken in found.broken:
            print(f"BROKEN {name}: {broken}")


if __name__ == "__main__":
    main()
