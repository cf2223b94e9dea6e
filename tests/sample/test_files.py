"""Files of samples: whole, torn, huge and hostile ones."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onethinker.sample import DataError, Sample, files, load_samples, resolve_under, save_samples
from tests.amount import many

SAMPLES = [
    Sample(
        "0", "ocr", "image", "Read <image>, not <image>.", "TOTAL\u2028 3/4", (), ("a.png", "b.png"), "made", {"n": 1}
    ),
    Sample("b", "math", "text", "1+1?", "$2$", meta={"response": "<think>…</think><answer>2</answer>"}),
    Sample(
        "c",
        "multiple_choice",
        "video",
        "Which?",
        "A",
        ("A. rot", "B. blau\n"),
        ("ü/c.mp4",),
        "",
        {"deep": {"a": [None]}},
    ),
]


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
def test_round_trip(tmp_path: Path, suffix: str) -> None:
    file = save_samples(SAMPLES, tmp_path / "new" / f"samples{suffix}")
    for path in (file, file.parent):
        loaded = load_samples(path)
        assert list(loaded) == SAMPLES
        assert loaded.root == file.parent
    assert [p.name for p in file.parent.iterdir()] == [file.name]
    assert load_samples(file, media_root=tmp_path, limit=1).root == tmp_path
    assert list(load_samples(file, limit=2)) == SAMPLES[:2]


def test_a_parquet_file_of_real_objects_is_read_too(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {
        "id": 4,
        "task": "ocr",
        "modality": "image",
        "question": "q",
        "truth": "t",
        "media": ["a.png"],
        "meta": {"fps": 2.0},
    }
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "samples.parquet")
    assert load_samples(tmp_path)[0] == Sample("4", "ocr", "image", "q", "t", (), ("a.png",), meta={"fps": 2.0})


GOOD = json.dumps({"id": "a", "task": "ocr", "modality": "image", "question": "q", "truth": "t"}).encode()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.jsonl", GOOD + b"\n" + GOOD[:20], r"s\.jsonl, line 2: not JSON"),
        ("s.jsonl", b"\n\n", "no samples in it"),
        ("s.jsonl", b"", "no samples in it"),
        ("s.jsonl", b"\xff\xfe\x00binary", r"line 1: not JSON"),
        ("s.jsonl", b"[" * 200_000, r"line 1: not JSON"),
        ("s.jsonl", b'{"a":' * 200_000, r"line 1: not JSON"),
        ("s.jsonl", b"3", r"row 1: expected an object"),
        ("s.jsonl", GOOD.replace(b"ocr", b"orc"), r"s\.jsonl, row 1: no task 'orc'; the nearest is 'ocr', all are"),
        ("s.jsonl", GOOD.replace(b'"q"', b'"\\ud800"'), r"row 1: holds text or nesting"),
        ("s.jsonl", GOOD.replace(b'"q"', b"1" * 5000), r"s\.jsonl, (row|line) 1: "),
        ("s.jsonl", GOOD.replace(b"ocr", b"o\x00cr"), r"line 1: not JSON"),
        ("s.json", b"", r"s\.json: not JSON"),
        ("s.json", b"[" + GOOD, r"s\.json: not JSON"),
        ("s.json", GOOD + b"\n" + GOOD, r"belongs in a \.jsonl file"),
        ("s.json", GOOD, "expected a JSON list of samples, found dict"),
        ("s.json", b"[" * 200_000, r"s\.json: not JSON"),
        ("s.json", b"[]", "no samples in it"),
        ("s.json", b"[null]", "row 1: expected an object"),
        ("s.json", b"\x80", r"s\.json: not JSON"),
        ("s.parquet", b"PAR1 nothing PAR1", r"s\.parquet: not a whole Parquet file"),
        ("s.parquet", b"", r"s\.parquet: not a whole Parquet file"),
        ("s.csv", b"id,task\n1,ocr\n", r"s\.csv, line 1: not JSON"),
    ],
)
def test_bad_files_are_named_with_the_row(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        load_samples(tmp_path / name)


def test_a_torn_parquet_file(tmp_path: Path) -> None:
    file = save_samples(SAMPLES, tmp_path / "samples.parquet")
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(DataError, match="not a whole Parquet file"):
        load_samples(file)


def test_a_byte_order_mark_is_no_fault(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + GOOD + b"\r\n")
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf[" + GOOD + b"]")
    assert len(load_samples(tmp_path / "a.jsonl")) == len(load_samples(tmp_path / "a.json")) == 1


def test_missing_places_and_limits(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        load_samples(tmp_path / "nothing")
    with pytest.raises(DataError, match="name the file"):
        load_samples(tmp_path)
    (tmp_path / "world" / "train").mkdir(parents=True)
    (tmp_path / "world" / "train" / "samples.jsonl").write_bytes(GOOD)
    with pytest.raises(DataError, match=r"name one of its folders: train$"):
        load_samples(tmp_path / "world")
    with pytest.raises(DataError, match="limit is 0"):
        load_samples(tmp_path, limit=0)
    with pytest.raises(DataError, match=r"unknown suffix '\.csv'"):
        save_samples(SAMPLES, tmp_path / "a.csv")


def test_a_limit_does_not_read_on(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD + b"\nnot JSON\n")
    assert len(load_samples(tmp_path / "a.jsonl", limit=1)) == 1


def test_a_line_without_end_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_LINE", 1 << 20)
    with (tmp_path / "a.jsonl").open("wb") as out:
        out.truncate(1 << 34)  # 16 GB of zeros that take no room
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataError, match=r"line 1: longer than 1 MB; write one sample a line"):
        load_samples(tmp_path / "a.jsonl")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kilobytes


def test_many_samples_take_little_more_than_themselves(tmp_path: Path) -> None:
    count = many(20_000, 4_000)
    with (tmp_path / "a.jsonl").open("w") as out:
        for n in range(count):
            row = {
                "id": str(n),
                "task": "ocr",
                "modality": "image",
                "question": f"q{n}" * 20,
                "truth": "t",
                "media": ["a.png"],
            }
            out.write(json.dumps(row) + "\n")
    code = (
        "import resource, sys; from onethinker.sample import load_samples\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "samples = load_samples(sys.argv[1])\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / len(samples))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "a.jsonl"], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 2000  # bytes a sample


@pytest.mark.parametrize(
    "name",
    ["../secret", "a/../../secret", "/etc/passwd", "a/b/../../../secret", "link/secret", "outside", "\x00", "a" * 5000],
)
def test_paths_that_leave_the_root_are_refused(tmp_path: Path, name: str) -> None:
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (tmp_path / "secret").write_text("")
    (root / "link").symlink_to(tmp_path)
    (root / "outside").symlink_to(tmp_path / "secret")
    if name == "a" * 5000:
        assert resolve_under(root, name).is_relative_to(root.resolve())
        return
    with pytest.raises(DataError, match="media path"):
        resolve_under(root, name)
    with pytest.raises(DataError, match="media path"):
        Sample("x", "ocr", "image", "q", "t", media=(name,)).paths(root)


def test_links_in_a_circle_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    try:
        assert resolve_under(tmp_path, "a/x").is_relative_to(tmp_path.resolve())
    except DataError as error:
        assert "cannot be followed" in str(error)


def test_paths_inside_the_root_are_given(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "in").symlink_to(tmp_path / "b.png")
    assert resolve_under(tmp_path, "a/../b.png") == tmp_path.resolve() / "b.png"
    assert resolve_under(tmp_path, "a/in") == tmp_path.resolve() / "b.png"
    assert resolve_under(tmp_path / "a" / "..", str(tmp_path / "b.png")) == tmp_path.resolve() / "b.png"


@settings(max_examples=many(150, 30), deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode), st.sampled_from(["jsonl", "json", "parquet"]))
def test_any_bytes_are_samples_or_a_data_error(content: bytes, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"samples.{suffix}"
        file.write_bytes(content)
        with pytest.raises(DataError, match=rf"samples\.{suffix}"):
            load_samples(file)


def test_a_failed_save_keeps_the_old_file(tmp_path: Path) -> None:
    file = save_samples(SAMPLES, tmp_path / "samples.jsonl")
    before: Any = file.read_bytes()
    with pytest.raises(DataError, match="sample 'd': holds text"):
        save_samples([*SAMPLES, Sample("d", "ocr", "text", "\ud800", "t")], file)
    assert file.read_bytes() == before


ROWS = b"\n".join([GOOD, b"[1]", GOOD[:20], GOOD.replace(b"ocr", b"math"), b'{"id": "b"}', GOOD]) + b"\n"


def test_one_fault_costs_its_row_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(ROWS)
    samples = load_samples(tmp_path / "a.jsonl", strict=False)
    assert [(s.id, s.task) for s in samples] == [("a", "ocr"), ("a#2", "math"), ("a#3", "ocr")]
    said = ["row 2: expected an object", "line 3: not JSON", "row 5: fields modality"]
    assert len(samples.left_out) == 3
    assert all(part in line for part, line in zip(said, samples.left_out, strict=True))
    assert samples.renamed[0].endswith("a.jsonl, row 4: id 'a' is an earlier row's; it is 'a#2' here")
    assert samples[1:].left_out == samples.left_out
    with pytest.raises(DataError, match="row 2: expected an object"):
        load_samples(tmp_path / "a.jsonl")
    (tmp_path / "a.jsonl").write_bytes(b"[1]\n[2]\n")
    with pytest.raises(DataError, match=r"no samples in it; .*row 1: expected an object"):
        load_samples(tmp_path / "a.jsonl", strict=False)


def test_an_id_made_unique_takes_no_other_rows(tmp_path: Path) -> None:
    taken = GOOD.replace(b'"a"', b'"a#2"')
    (tmp_path / "a.jsonl").write_bytes(b"\n".join([GOOD, taken, GOOD, taken]))
    assert [s.id for s in load_samples(tmp_path / "a.jsonl")] == ["a", "a#2", "a#3", "a#2#2"]


def test_a_leading_slash_is_the_roots_and_never_leaves_it(tmp_path: Path) -> None:
    names = ["/media/a.png", "//a.png", "/etc/passwd", str(tmp_path / "a.png"), "./a.png", "/../a.png"]
    rows = [json.loads(GOOD) | {"media": name, "id": name} for name in names]
    (tmp_path / "a.json").write_text(json.dumps(rows))
    samples = load_samples(tmp_path / "a.json")
    assert [s.media[0] for s in samples] == ["media/a.png", "a.png", "etc/passwd", names[3], "./a.png", "../a.png"]
    for sample in samples[:5]:
        assert sample.paths(samples.root)[0].is_relative_to(tmp_path.resolve())
    with pytest.raises(DataError, match="leaves the media root"):
        samples[5].paths(samples.root)


def test_the_release_s_rl_file(tmp_path: Path) -> None:
    """Keys as `EasyR1/verl/utils/dataset.py` of tulerfeng/OneThinker reads them, with its recipe's names of columns."""
    common = {"options": [], "data_source": "x", "problem_reserved_text": "…"}
    rows = [
        {"problem_id": 1, "problem": "<image>the cat", "answer": '<answer>{"boxes": [1, 2, 3, 4]}</answer>',
         "images": ["/coco/1.jpg"], "videos": [], "data_type": "image", "problem_type": "spatial grounding"},
        {"problem_id": 1, "problem": "<video>\nWhen?", "answer": '<answer>{"time": [1, 2]}</answer>', "images": None,
         "videos": ["v.mp4"], "data_type": "video", "problem_type": "temporal grounding"},
        {"problem_id": 2, "problem": "1+1?", "answer": "<answer>2</answer>", "images": [], "videos": [],
         "data_type": "text", "problem_type": "math"},
        {"problem_id": 3, "problem": "<video>the dog", "answer": "<answer>{}</answer>", "images": [],
         "videos": ["v.mp4"], "data_type": "video", "problem_type": "segmentation"},
    ]  # fmt: skip
    (tmp_path / "onethinker_rl_train.json").write_text(json.dumps([row | common for row in rows]))
    samples = load_samples(tmp_path / "onethinker_rl_train.json")
    assert [(s.id, s.task, s.modality, s.media) for s in samples] == [
        ("1", "spatial_grounding", "image", ("coco/1.jpg",)),
        ("1#2", "temporal_grounding", "video", ("v.mp4",)),
        ("2", "math", "text", ()),
        ("3", "video_segmentation", "video", ("v.mp4",)),
    ]
    assert samples[0].truth == '{"boxes": [1, 2, 3, 4]}' and samples[0].meta == {"problem_reserved_text": "…"}
    again = load_samples(save_samples(samples, tmp_path / "again.json"))
    assert list(again) == list(samples)


def test_odd_encodings_and_shapes(tmp_path: Path) -> None:
    whole = b"[" + GOOD + b",\r\n" + GOOD + b"]"
    for name, content in {
        "utf16.json": whole.decode().encode("utf-16"), "crlf.jsonl": GOOD + b"\r\n\r\n" + GOOD + b"\r\n",
        "list.jsonl": whole, "big.jsonl": GOOD.replace(b"}", b', "n": 1e308, "m": 1e999}') + b"\n" + GOOD,
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
        assert [s.id for s in load_samples(tmp_path / name)] == ["a", "a#2"], name
    assert load_samples(tmp_path / "big.jsonl")[0].meta == {"n": 1e308}
    (tmp_path / "utf16.jsonl").write_bytes(GOOD.decode().encode("utf-16"))
    with pytest.raises(DataError, match=r"utf16\.jsonl, line 1: not JSON in UTF-8 but UTF-16; convert"):
        load_samples(tmp_path / "utf16.jsonl")
    for name, content in {
        "twice.jsonl": GOOD[:-1] + b', "truth": "u"}',
        "twice.json": b"[" + GOOD[:-1] + b', "id": 1}]',
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=r"(line|row) 1: key '(truth|id)' stands twice"):
            load_samples(tmp_path / name)


def test_a_folder_with_two_data_files_asks_which(tmp_path: Path) -> None:
    for suffix in ("jsonl", "parquet"):
        save_samples(SAMPLES, tmp_path / f"samples.{suffix}")
    with pytest.raises(DataError, match=r"holds samples\.jsonl and samples\.parquet; name the one to read"):
        load_samples(tmp_path)


def test_columns_of_parquet_that_are_not_plain(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = {key: [value] * 2 for key, value in json.loads(GOOD).items()}
    table = pa.table(row | {
        "media": pa.array([["a.png"], []], pa.large_list(pa.large_string())),
        "source": pa.array(["x", "y"]).dictionary_encode(),
        "at": pa.array([0, 1], pa.timestamp("us", "Europe/Berlin")),
        "took": pa.array([1500, None], pa.duration("ms")),
        "price": pa.array([1, 2], pa.decimal128(9, 2)),
        "pairs": pa.array([[("k", 1)], []], pa.map_(pa.string(), pa.int64())),
        "nothing": pa.nulls(2),
    })  # fmt: skip
    pq.write_table(table, tmp_path / "samples.parquet")
    first, second = load_samples(tmp_path)
    assert (first.media, first.source, second.source) == (("a.png",), "x", "y")
    assert first.meta == {
        "at": "1970-01-01T01:00:00+01:00", "took": 1.5, "price": "1.00", "pairs": [["k", 1]],
    }  # fmt: skip
    late = pa.table(row | {"day": pa.array([2**40, 0], pa.timestamp("s"))})
    pq.write_table(late, tmp_path / "late.parquet")
    samples = load_samples(tmp_path / "late.parquet", strict=False)
    assert len(samples) == 1 and "late.parquet, row 1: a value that Python cannot hold" in samples.left_out[0]
