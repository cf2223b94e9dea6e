"""The steps of worked answers lead to the answers: in every kind of question that has steps, read back by hand."""

from __future__ import annotations

import re
from collections import defaultdict

import pytest

from onethinker.data.worlds.build import build_world
from onethinker.sample import Sample, load_samples
from tests.amount import many


@pytest.fixture(scope="module")
def thoughts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[Sample, str, str]]]:
    """Kind of question → (sample, clause after the listing, options read aloud), of a teacher without faults."""
    folder, count = tmp_path_factory.mktemp("w"), many(780, 390)
    world = build_world(folder, count, seed=5, teacher_error=0.0, validation=1, test=1)
    found = defaultdict(list)
    for sample in load_samples(world / "train"):
        thought = sample.meta["response"].split("</think>")[0].removeprefix("<think>")
        said, _, read = thought.partition("\n")
        found[sample.meta["kind"]].append((sample, said.rstrip(".").rpartition(". ")[2], read))
    return found


def test_options_are_read_in_order_up_to_the_right_one(thoughts):
    chosen = [entry for entries in thoughts.values() for entry in entries if entry[0].options]
    assert len(chosen) == many(60, 30)
    for sample, _, read in chosen:
        lines = read.split("\n")
        assert lines == list(sample.options[: len(lines)]) and lines[-1][0] == sample.truth


@pytest.mark.parametrize(("kind", "wanted"), [("count", r"\w+"), ("count_movers", "moves"),
                                              ("count_visible", r"visible at [\d.]+")])  # fmt: skip
def test_counts_go_up_to_the_answer(thoughts, kind, wanted):
    for sample, said, _ in thoughts[kind]:
        head, _, listed = said.partition("; ")
        counts = [int(part.rpartition(": ")[2]) for part in listed.split(", ")]
        assert re.fullmatch(wanted, head)
        assert all(b - a in (0, 1) for a, b in zip([0, *counts], counts)) and counts[-1] == int(sample.truth)


def test_a_distance_names_both_edges_and_the_middle(thoughts):
    for sample, said, _ in thoughts["distance"]:
        low, high, middle = map(int, re.search(r": (\d+) to (\d+), middle (\d+)$", said).groups())
        assert abs(middle - (low + high) / 2) <= 1 and round(middle / 10) == pytest.approx(int(sample.truth), abs=1)


def test_an_area_says_what_its_sides_are_made_of(thoughts):
    for sample, said, _ in thoughts["plot_area"]:
        x1, x2, wide, y1, y2, high, area = map(int, [*re.findall(r"\d+", said)[:6], sample.truth.strip("$")])
        assert (x2 - x1, y2 - y1) == (125 * wide, 125 * high) and wide * high == area


def test_the_outermost_is_the_one_with_the_outermost_edge(thoughts):
    for sample, said, _ in thoughts["extreme"]:
        thought = sample.meta["response"].split("</think>")[0]
        edges = {n: int(e) for n, e in re.findall(r"([a-z ]+?) (\d+)(?=[,.])", thought.rpartition("most: ")[2])}
        best = min if re.search("leftmost|topmost", sample.question) else max
        assert said == best(edges, key=edges.get).strip() and sample.truth == f"The {said}."
