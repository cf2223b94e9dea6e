"""Instruction following: IFEval's two accuracies at two levels, rewards, and truths that are not usable."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from onethinker.sample import DataError
from onethinker.sample.answer import read_answer
from onethinker.tasks import TASKS, score
from onethinker.tasks.instruction_following import truth_of
from tests.tasks.examples import respond, sample_of

TASK = TASKS["instruction_following"]
ASKED = [("punctuation:no_comma", {}), ("length_constraints:number_words", {"relation": "less than", "num_words": 6})]


def test_prompt_and_instruction_level_strict_and_loose() -> None:
    """Of three answers: both kept; both, but for a first line that loose leaves out; one of two."""
    said = ("A dog runs.", "Sure, here it is:\nA dog runs.", "A dog, a cat.")
    sample = sample_of("instruction_following", truth_of(ASKED))
    found = TASK.metrics([score(sample, respond(one)) for one in said])
    assert found == pytest.approx(
        {"prompt strict": 1 / 3, "instruction strict": 3 / 6, "prompt loose": 2 / 3, "instruction loose": 5 / 6}
    )


def test_hardened_pays_for_what_is_said_of_the_picture() -> None:
    sample = sample_of("instruction_following", truth_of(ASKED, "a red dog runs"))
    right, empty = (score(sample, respond(one)) for one in ("A red dog runs.", "Yes."))
    assert right.accuracy == empty.accuracy == 1
    assert right.reward("hardened") == 2 and empty.reward("hardened") == 1
    assert (right.reward("paper"), empty.reward("paper")) == (2, 2)


def test_a_share_of_instructions_is_partial_credit() -> None:
    sample = sample_of("instruction_following", truth_of(ASKED))
    assert score(sample, respond("a, b")).accuracy == 0.5


@pytest.mark.parametrize(
    "truth",
    [
        "keep it short",
        "[]",
        '{"instruction_id_list": [], "kwargs": []}',
        '{"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}',
        '{"instruction_id_list": ["punctuation:no_dots"], "kwargs": [{}]}',
        '{"instruction_id_list": [["x"]], "kwargs": [{}]}',
        '{"instruction_id_list": ["length_constraints:number_words"], "kwargs": [{"num_words": 3}]}',
    ],
)
def test_a_truth_that_is_no_instruction_names_the_sample(truth: str) -> None:
    with pytest.raises(DataError, match=r"sample instruction_following-1 .*instruction"):
        score(sample_of("instruction_following", truth), respond("x"))


def test_rows_of_ifeval_are_truths_as_they_are() -> None:
    """Its rows give null for arguments that an instruction does not have."""
    kwargs = [{"num_bullets": 2, "relation": None}]
    row = {"instruction_id_list": ["detectable_format:number_bullet_lists"], "kwargs": kwargs}
    assert score(sample_of("instruction_following", json.dumps(row)), respond("* a\n* b")).accuracy == 1


def test_the_drawing_says_what_is_kept() -> None:
    sample = sample_of("instruction_following", truth_of(ASKED))
    frame = Image.new("RGB", (400, 400), "navy")
    kept, broken = (TASK.draw(sample, read_answer(respond(one)), [frame])[0] for one in ("A dog.", "A dog, too."))
    assert kept.tobytes() != broken.tobytes() and kept.size[1] > 450
