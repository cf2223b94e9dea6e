import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

import onethinker.report
from onethinker.report.page import write_report
from onethinker.report.read import ReportError
from onethinker.tasks.drawing import ANSWER, TRUTH
from onethinker.util.palette import PALETTE

_NEEDED = {"status", "metrics", "headline", "path", "media_root", "digest", "settings"}
"""Keys whose values say where the files are and which of them belong together."""
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every tag with its attributes, the visible text and the tags around it, and whether tags close in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.texts, self.places, self.open, self.faults = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)
            self.places.append((tuple(self.open), data))

    @property
    def text(self):
        return " ".join(self.texts)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def made(kept_run):
    file = write_report(kept_run)
    assert file == kept_run / "report.html"
    return Page(file.read_text(encoding="utf-8"))


def test_it_is_one_well_formed_file_that_asks_for_nothing(made):
    assert not made.faults and not made.open
    assert not made.all("link") and not made.all("iframe")
    assert all("src" not in attrs for attrs in made.all("script"))
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in made.all("img"))
    assert "url(" not in Path(onethinker.report.__file__).with_name("templates").joinpath("report.css").read_text()


def test_hostile_text_stays_text(made, hostile):
    assert len(made.all("script")) == 1
    assert not [a for _, attrs in made.tags for a in attrs if a.startswith("on")]
    assert made.text.count("<script>alert(1)</script>") >= 4, "question, truth, thinking and answer are shown as text"
    assert hostile in made.text


def test_every_name_and_number_of_the_files_is_text(run_folder):
    """Whatever a run's files hold, in any place of which the page speaks."""
    bad = "<script>x</script><img src=x onerror=y>\"'>{{ 7 * 7 }}{% raw %}"

    def spoil(value, keep=("ocr", "tracking", "multiple_choice", "g", "s")):
        if isinstance(value, dict):
            return {k: v if k in _NEEDED else spoil(v) for k, v in value.items()}
        if isinstance(value, list):
            return [spoil(v) for v in value]
        return bad if isinstance(value, str) and value not in keep else value

    for file in run_folder.rglob("*.json"):
        if file.name != "questions.json":
            file.write_text(json.dumps(spoil(json.loads(file.read_text()))))
    page = Page(write_report(run_folder).read_text(encoding="utf-8"))
    assert len(page.all("script")) == 1 and not page.faults
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert all(attrs["src"].startswith("data:image/jpeg;base64,") for attrs in page.all("img"))
    assert page.text.count(bad) > 30 and "49" not in page.text


def test_texts_that_turn_the_reading_direction_turn_nothing_beside_them(made):
    turning = [tags for tags, text in made.places if "\u202e" in text]
    assert len(turning) >= 4 and all("bdi" in tags for tags in turning)


def test_pictures_are_there_before_they_are_scrolled_to(made):
    """A lazy picture has no place until it is seen, and is missing on paper."""
    assert not [attrs for attrs in made.all("img") if "loading" in attrs]
    assert all(int(attrs["width"]) > 0 < int(attrs["height"]) for attrs in made.all("img"))


def test_only_the_pages_own_script_may_run(made):
    policy = next(a["content"] for a in made.all("meta") if a.get("http-equiv"))
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}'$", policy)


def test_what_was_run_stands_at_the_top(made):
    for words in (
        "Recipe mini (seed 3) starts from mini with the prompt set short.",
        "The SFT cold start took 20 steps of 8 worked answers in 40 s; the loss fell from 3.00 to 0.21.",
        "EMA-GRPO took 20 steps of 4 prompts, each answered 2 times in 40 s; the mean reward went from 0.54 to 0.99.",
        "/data over 3 tasks, by greedy answers of at most 64 tokens",
        "20.0 → ",
        "60.0",
    ):
        assert words in made.text, words


def test_every_part_is_there(made):
    for words in ("Results", "Sampled answers", "Training", "How answers read", "Right and wrong answers"):
        assert words in made.text
    for words in (
        "Before",
        "After RL",
        "Control: lr 0",
        "After RL − Before",
        "▲",
        "KL to the reference",
        "Answer length (tokens)",
    ):
        assert words in made.text
    assert "Not in this report" not in made.text
    labels = {attrs.get("aria-label") for attrs in made.all("svg")}
    assert {"Loss", "Mean reward", "Text recognition", "odd", "How sampled answers read (share)"} <= labels


def test_cards_carry_what_the_filters_read(made):
    cards = made.all("article")
    assert {card["data-topic"] for card in cards} == {"Multiple choice", "Tracking", "Text recognition"}
    assert {card["data-verdict"] for card in cards} == {"right"}
    assert len(made.all("img")) == 1 + 2 * 4 + 1, "four frames of the clip with its truth, and with its answer"
    assert cards[0]["data-topic"] == "Tracking", "what has a place to show comes first"
    assert [o.get("value") for o in made.all("option")] == ["", None, None, None]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (["sft"], "no curves of the cold start"),
        (["rl"], "no curves of reinforcement learning"),
        (["eval"], "no results"),
        (["sft/config.json", "rl/config.json"], "what was run is known from its results alone"),
    ],
)
def test_missing_parts_are_named(run_folder, gone, said):
    for name in gone:
        path = run_folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = Page(write_report(run_folder).read_text(encoding="utf-8"))
    assert not page.faults
    assert "Not in this report" in page.text and said in page.text


def test_changed_or_lost_data_cost_the_gallery_alone(run_folder, data):
    samples = data / "samples.jsonl"
    samples.write_text(samples.read_text().replace("follow it", "follow him"))
    assert "has changed since the evaluation" in write_report(run_folder).read_text()
    shutil.rmtree(data)
    page = Page(write_report(run_folder).read_text())
    assert "no such file or folder" in page.text and "Results" in page.text


def test_lost_media_cost_the_picture_alone(run_folder, data):
    (data / "b.mp4").write_bytes(b"no clip")
    page = Page(write_report(run_folder).read_text())
    assert "No picture:" in page.text and len(page.all("article")) == 3


def test_one_evaluation_alone_has_a_page_too(run_folder, tmp_path):
    page = Page(write_report(run_folder / "eval" / "rl", tmp_path / "elsewhere" / "page.html").read_text())
    assert not page.faults and "Gain" not in page.text and "60.0" in page.text
    assert (tmp_path / "elsewhere" / "page.html").exists()


def test_a_folder_without_anything_is_refused(tmp_path):
    with pytest.raises(ReportError, match="nothing to report"):
        write_report(tmp_path)
    with pytest.raises(ReportError, match="no such folder"):
        write_report(tmp_path / "none")


def test_an_answer_that_cannot_be_read_is_one_short_line(run_folder):
    """Without its thinking, on the pages of a model that says nothing yet."""
    rows = [json.loads(line) for line in (run_folder / "eval/rl/results.jsonl").read_text().splitlines()]
    for row in rows:
        wall = "<answer>" + "gibberish\n" * 400 + "</answer>"
        row |= {"response": f"<think>{'hm ' * 900}</think>{wall}", "status": "malformed", "accuracy": 0.0}
    (run_folder / "eval/rl/results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = Page(write_report(run_folder).read_text(encoding="utf-8"))
    assert page.text.count("not readable, malformed:") >= 3
    assert page.text.count("gibberish") <= 3 * 7 and "hm hm" not in page.text


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("runs/demo/world/test", "12 held-out questions over"),
        ("world/train", "12 questions of training data (world/train; not held out) over"),
        ("data/train.jsonl", "12 questions of training data (data/train.jsonl; not held out) over"),
        ("mine/pictures", "12 questions of mine/pictures over"),
        ("", "12 questions over"),
    ],
)
def test_what_the_questions_are_is_said(run_folder, path, said):
    for file in run_folder.glob("eval/*/summary.json"):
        summary = json.loads(file.read_text())
        summary["data"]["path"] = path
        file.write_text(json.dumps(summary))
    assert said in Page(write_report(run_folder).read_text()).text


def test_bars_and_pictures_have_the_one_palette(run_folder):
    text = write_report(run_folder).read_text()
    style = text[text.index("<style>") : text.index("</style>")]
    used = {colour.lower() for colour in re.findall(r"#[0-9a-fA-F]{6}\b", style)}
    greys = {c for c in used if max(int(c[i : i + 2], 16) for i in (1, 3, 5)) - min(
        int(c[i : i + 2], 16) for i in (1, 3, 5)) < 48}  # fmt: skip
    assert used - greys <= set(PALETTE.values()) and {TRUTH, ANSWER} <= used


def test_nothing_is_wider_than_a_phone(made):
    """Every cell says its column, which stands beside it where rows are stacked; nothing has a fixed width."""
    cells = made.all("td")
    assert cells and all(attrs.get("data-label") is not None for attrs in cells)
    style = Path(onethinker.report.__file__).with_name("templates").joinpath("report.css").read_text()
    assert "@media (max-width: 620px)" in style and "content: attr(data-label)" in style
