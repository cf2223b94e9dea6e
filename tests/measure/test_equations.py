"""Mathematical equality against a table of verdicts and against math-verify, and the process for expressions."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import pytest
from math_verify import parse, verify

from onethinker.measure import equations, text
from tests.amount import many, slow, thinned

PAIRS = [
    ("1/2", r"\frac{1}{2}"), ("0.5", r"\frac12"), ("0.333333", "1/3"), ("0.33", "1/3"), ("x^2+2x+1", "(x+1)^2"),
    ("x^2", "x^3"), (r"\{1,2\}", r"\{2,1\}"), ("(1,2)", "(2,1)"), ("12%", "0.12"), (r"\sqrt{8}", r"2\sqrt{2}"),
    (r"\sqrt{8}", "2.8"), ("x=5", "5"), (r"\pi", "3.14159265"), ("1,000", "1000"), ("3.0", "3"), ("2", "2.0000001"),
    ("2.5", "2.51"), ("xy", "yx"), ("1 2 3", "123"), (r"[0,1)", r"[0,1]"), ("-5", "5"), ("7", "7.000000"),
    ("12.3456784", "12.3456781"), ("0.1234567", "0.1234561"),
]  # fmt: skip

TABLE = [
    tuple(line.split("\t"))
    for line in Path(__file__).with_name("math_pairs.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
"""Kind, whether they are equal, two answers. By hand: what a teacher would say who has the truth alone."""


BY_KIND = [(kind, list(rows)) for kind, rows in groupby(TABLE, key=lambda row: row[0])]
BY_KIND = [(kind, rows[:: many(1, 12)] if kind == "mixed" else rows) for kind, rows in BY_KIND]


@pytest.mark.parametrize(("kind", "rows"), BY_KIND)
def test_verdicts_of_the_table_both_ways(kind, rows):
    found = [(equal == "1", text.math_equal(pred, true), text.math_equal(true, pred)) for _, equal, pred, true in rows]
    assert [row for row, (right, *said) in zip(rows, found, strict=True) if any(said) and not right] == []
    assert [row for row, (_, one, other) in zip(rows, found, strict=True) if one != other] == []
    missed = [row for row, (right, *said) in zip(rows, found, strict=True) if right and not all(said)]
    assert len(missed) <= (12 if kind == "mixed" else 0), missed


def test_the_table_is_as_long_and_as_even_as_it_claims():
    equal = sum(row[1] == "1" for row in TABLE)
    assert len(TABLE) >= 400 and equal <= len(TABLE) / 2
    assert len({row[2:] for row in TABLE}) == len(TABLE)


def test_every_answer_of_the_table_is_equal_to_itself_in_any_dress():
    for said in {answer for row in TABLE for answer in row[2:]} - {"1e999", "2e999"}:
        assert text.math_equal(said, said), said
        if "$" not in said and "Answer" not in said:
            assert text.math_equal(f"${said}$", rf" \boxed{{{said}}}. "), said


@pytest.mark.parametrize(("pred", "true"), thinned(PAIRS, every=3))
def test_verdict_is_math_verifys(pred, true):
    peer = verify(parse(f"${true}$"), parse(f"${pred}$"))
    assert text.math_equal(pred, true) == text.math_equal(f"${pred}$", rf"\boxed{{{true}}}") == peer


@pytest.mark.parametrize(
    ("pred", "true"),
    [
        ("triangle", "triangle"), ("Triangle", "$triangle$"), (r"\text{east}", "East"), (r"\infty", r"\infty"),
        ("1e3", "1000"), (" 7. ", "7"), ("$$x+1$$", r"\[x+1\]"), (r"\boxed{\frac{1}{2}}", "0.5"), ("-", "-"),
        ("?!", "?!"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_equal_as_text_or_number(pred, true):
    assert text.math_equal(pred, true)


@pytest.mark.parametrize(
    ("pred", "true"),
    [
        ("inf", "inf"), ("-Infinity", "-Infinity"), ("nan", "nan"), ("", ""), (" ", "$ $"), ("listen", "silent"),
        ("east", "west"), ("triangle", "3"), (r"\boxed{1}+\boxed{2}", "3}+4"), ("\ud800", "1"),
        ("9" * 5000, "9" * 4999), ("1e999", "2e999"),
        ("1" * 1900, "1" * 1899 + "2"),
        slow((r"10^{10^{10}}", "x+1")),  # two seconds of it, and a new process
    ],
)  # fmt: skip
def test_not_equal(pred, true):
    assert not text.math_equal(pred, true)


def test_a_late_answer_is_not_equal_and_plain_ones_need_no_worker_and_the_next_one_starts_it_anew():
    assert text.math_equal("x+x", "2x")
    start = time.monotonic()
    assert not text.math_equal("9^{9^{9^{9}}}", "x", timeout=0.5)
    assert time.monotonic() - start < 3
    assert text.math_equal("3.50", "3.5") and not text.math_equal("3", "4") and text.math_equal("circle", "Circle")
    assert equations._worker._process is None
    assert text.math_equal("x+x", "2x")


def test_a_worker_that_dies_is_started_anew():
    assert text.math_equal("x+x", "2x")
    process = equations._worker._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert text.math_equal("x+x", "2x")


def test_threads_take_turns():
    with ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda n: text.math_equal(f"x+{n}", f"{n % 3}+x"), range(24)))
    assert verdicts == [n < 3 for n in range(24)]


def _verdict_in_child(n: int) -> bool:
    return text.math_equal(f"x+{n}", "1+x")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_forked_processes_have_workers_of_their_own():
    assert text.math_equal("x+x", "2x")
    holder = threading.Thread(target=text.math_equal, args=("9^{9^{9^{9}}}", "x", 1.0))
    holder.start()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_verdict_in_child, range(4)) == [False, True, False, False]
    holder.join()
    assert text.math_equal("x+x", "2x")
