"""The rule of comparison against textbook formulas: Student's paired t by hand, Holm's procedure, and what has no p."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from onethinker.studies.contrasts import contrast_row, estimate, gain, holm, paired, read_contrasts, scale


def student_p(t: float, freedom: int) -> float:
    """Two-sided, by the incomplete beta function (Abramowitz and Stegun, 26.7.1)."""
    return float(special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t)))


def test_a_mean_over_seeds_has_students_interval_and_p() -> None:
    seeds = [0.02, -0.01, 0.03, 0.015, 0.005]
    found = estimate(seeds)
    error = np.std(seeds, ddof=1) / 5**0.5
    assert found.value == pytest.approx(0.012)
    assert (found.low, found.high) == pytest.approx((0.012 - 2.776445 * error, 0.012 + 2.776445 * error))
    assert found.p == pytest.approx(student_p(0.012 / error, 4)) and not found.excludes_zero
    assert estimate([1.0, 1.1, 1.2]).excludes_zero and estimate([-1.0, -1.1, -1.2]).excludes_zero


@pytest.mark.parametrize("seeds", [[0.8, 0.9, 1.0], [0.0, 0.0, 0.03], [0.98, 1.0]])
def test_an_interval_at_an_end_of_the_scale_is_made_of_logits(seeds: list[float]) -> None:
    """The delta method: the plain half width over p (1 − p), around logit(p)."""
    plain, found = estimate(seeds), estimate(seeds, scale("headline"))
    assert plain.low is not None and plain.high is not None and (plain.low < 0 or plain.high > 1)
    wide = (plain.high - plain.low) / 2 / (found.value * (1 - found.value))
    ends = special.expit(special.logit(found.value) + np.array([-wide, wide]))
    assert (found.low, found.high) == pytest.approx(tuple(ends)) and 0 <= ends[0] < found.value < ends[1] <= 1
    assert (found.value, found.p) == (plain.value, plain.p)
    assert estimate([0.4, 0.5, 0.6], scale("headline")) == estimate([0.4, 0.5, 0.6])
    change = estimate([-0.2, 0.9, 1.0], scale("headline", change=True))
    assert change.low is not None and change.high is not None and -1 <= change.low < change.value < change.high <= 1


@pytest.mark.parametrize("seeds", [[0.3], [0.0, 0.0], [0.2, 0.2, 0.2]])
def test_seeds_that_do_not_differ_tell_nothing_of_others(seeds: list[float]) -> None:
    found = estimate(seeds)
    assert (found.low, found.high, found.p, found.excludes_zero) == (None, None, None, False)


def test_differences_are_paired_on_the_seeds_that_both_have() -> None:
    assert paired([0.5, 0.7, 0.9], [0.4, 0.8]) == [0.1, -0.1]
    assert gain([0.5, 0.7], [0.4]) == [0.1, 0.3]
    assert paired([0.1 + 0.2], [0.3]) == [0.0], "what differs in rounding alone does not differ"


def test_holm_as_in_a_worked_example() -> None:
    """Four p values, sorted 0.005, 0.01, 0.03, 0.04: 4·0.005, 3·0.01, 2·0.03, then no less than the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []


def test_a_contrast_without_p_counts_in_the_number_of_contrasts() -> None:
    assert holm([0.01, None, 0.02]) == pytest.approx([0.03, None, 0.04])


def test_a_contrast_is_sure_by_its_corrected_p_alone() -> None:
    """Alone p is 0.03; beside two others it is not sure, though its interval leaves out 0 as before."""
    row = contrast_row("a", "b", "mean", "reward", [0.01, 0.02, 0.03, 0.01])
    (alone,) = read_contrasts({"contrasts": [row]})
    others = [contrast_row("a", other, "mean", "reward", [0.0, 0.1]) for other in "cd"]
    among = read_contrasts({"contrasts": [row, *others]})[0]
    assert alone.sure and alone.holm == alone.estimate.p
    assert among.estimate == alone.estimate and among.estimate.excludes_zero
    assert among.holm == pytest.approx(3 * alone.holm) and not among.sure
