"""Hostile answers, class by class: no exception, nothing out of range, bounded time, the right status."""

from __future__ import annotations

import pytest

from benchmarks.adversarial import CLASSES, questions, run
from onethinker.sample.answer import Status, read_answer
from onethinker.tasks import TASKS
from tests.amount import slow
from tests.tasks.examples import JSON_TASKS, respond

NEVER_OK = [name for name in CLASSES if name not in ("ten thousand boxes", "regex bombs", "right-to-left marks")]
LONG = (
    "10 MB",
    "just under the limit of a response",
    "a million boxes",
    "ten thousand boxes",
    "regex bombs",
    "10,000 levels",
    "tag bombs",
)
"""Test_contract has shorter ones of these."""
SAMPLES = {task: sample for task, sample in questions().items() if task != "math"}


@pytest.mark.parametrize("name", [slow(n) if n in LONG else n for n in CLASSES])
def test_no_promise_is_broken(name: str) -> None:
    found = run(name, SAMPLES)
    assert found.broken == []
    assert found.cases == 4 * len(SAMPLES) * len(CLASSES[name])
    assert found.worst[0] < 20, found.worst
    assert not {"error", "truncated"} & (found.json.keys() | found.text.keys())


@pytest.mark.parametrize("name", NEVER_OK)
@pytest.mark.parametrize("task", JSON_TASKS)
def test_what_is_no_json_of_the_task_is_malformed_and_earns_form_alone(task: str, name: str) -> None:
    for text in CLASSES[name]:
        score = TASKS[task].score(SAMPLES[task], read_answer(respond(text)))
        assert score.status in (Status.MALFORMED, Status.NO_ANSWER), text[:60]
        assert score.reward("paper") == score.reward("hardened") == 0
        if name != "duplicate keys":
            assert score.accuracy <= 0.5
