"""Score answers without a model: one question, five ways to answer it, three reward profiles.

python examples/score_answers.py
"""

from onethinker import Sample, score
from onethinker.tasks.base import REWARDS

QUESTION = Sample(
    id="1",
    task="spatial_grounding",
    modality="image",
    question="the orange chair",
    truth='{"boxes": [455, 425, 728, 998]}',
)
ANSWERS = {
    "right": '<think>It stands in the middle.</think><answer>{"boxes": [455, 425, 728, 998]}</answer>',
    "close": '<think>In the middle.</think><answer>{"boxes": [440, 400, 700, 980]}</answer>',
    "no thinking": '<answer>{"boxes": [455, 425, 728, 998]}</answer>',
    "corners swapped": '<think>Hm.</think><answer>{"boxes": [728, 998, 455, 425]}</answer>',
    "not JSON": "<think>Hm.</think><answer>the left one</answer>",
}

print(f"{'answer':16s} {'status':10s} {'accuracy':>8s} " + " ".join(f"{p:>9s}" for p in REWARDS))
for name, response in ANSWERS.items():
    made = score(QUESTION, response)
    rewards = " ".join(f"{made.reward(profile):9.3f}" for profile in REWARDS)
    print(f"{name:16s} {made.status:10s} {made.accuracy:8.3f} {rewards}")
