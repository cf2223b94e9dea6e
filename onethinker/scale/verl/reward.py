"""The reward of one answer to any task, as verl's reward manager asks for it, on rows that `export verl` wrote.

verl: `reward.custom_reward_function.path=pkg://onethinker.scale.verl.reward`, its options in `reward_kwargs`.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from onethinker.sample import DataError, Sample
from onethinker.sample.answer import Status, read_answer
from onethinker.scoring.judge import Judge, JudgeError, make_judge
from onethinker.scoring.scores import score_many
from onethinker.tasks import TaskError, get_task
from onethinker.util.plugins import load_plugins

KEYS = ("score", "acc", "format", "structure", "ok", "error")
"""What every result holds, whatever the task, since verl takes the keys of a batch from its first row."""

load_plugins()


def compute_score(
    data_source: str,
    solution_str: str,
    ground_truth: str,
    extra_info: Mapping[str, Any] | None = None,
    *,
    profile: str = "released",
    judge_url: str = "",
    judge_kind: str = "chat",
    judge_model: str = "",
    **_: Any,
) -> dict[str, float]:
    """KEYS of one answer. score: the reward under the profile. acc: 0–1. ok: whether the answer could be read. error:
    whether our own side failed (a truth that is not usable, a judge that does not answer); the score is then 0, so that
    verl's means stay numbers, and our estimators leave the answer out.
    """
    try:
        sample = sample_of(data_source, ground_truth, extra_info or {})
        judged = get_task(sample.task).judged
        judge = _judge(judge_url, judge_kind, judge_model) if judge_url and judged else None
    except (DataError, JudgeError) as error:
        return _failed(f"{data_source}: {error}")
    except TaskError as error:
        return _failed(f"{data_source}, sample {sample.id}: {error.args[0]}")
    (scored,) = score_many([sample], [read_answer(solution_str)], judge=judge)
    score = scored.score
    if score.status is Status.ERROR:
        return _failed(f"{data_source}, sample {sample.id}: {scored.problem}")
    found = (score.reward(profile), score.accuracy, score.format, score.structure, score.status is Status.OK, False)
    return dict(zip(KEYS, map(float, found), strict=True))


def sample_of(data_source: str, ground_truth: str, extra_info: Mapping[str, Any]) -> Sample:
    """The sample of a row, without its media. Raises DataError for a row that `export verl` did not write."""
    try:
        meta = json.loads(extra_info["meta"])
        options = tuple(map(str, meta.pop("options")))
        names = {key: str(extra_info[key]) for key in ("id", "task", "modality")}
        if not isinstance(ground_truth, str):
            raise TypeError(f"ground_truth is {ground_truth!r:.80}")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"extra_info is not as `onethinker export verl` writes it ({type(error).__name__}: {error}); export the "
            "data anew"
        ) from error
    question = str(extra_info.get("question") or "")
    return Sample(question=question, truth=ground_truth, options=options, source=data_source, meta=meta, **names)  # type: ignore[arg-type]


def _failed(problem: str) -> dict[str, float]:
    logging.getLogger(__name__).error("not scored, and left out: %s", problem)
    return dict.fromkeys(KEYS, 0.0) | {"error": 1.0}


@cache
def _judge(url: str, kind: str, model: str) -> Judge:
    """One a process, its grades kept for as long as that lives. Raises JudgeError."""
    return make_judge(url, Path(tempfile.mkdtemp()) / "judge.sqlite", kind=kind, model=model)
