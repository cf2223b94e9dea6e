"""Small copies of the sets that are tables, and what all small copies of data sets are made of."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from onethinker.media import write_clip

STILL = np.zeros((24, 32, 3), np.uint8)


def _clip() -> bytes:
    with TemporaryDirectory() as folder:
        return write_clip(Path(folder) / "a.mp4", [STILL] * 20, 10.0).read_bytes()


CLIP = _clip()
"""Two seconds."""


def png(number: int) -> bytes:
    """The bytes of a small picture, another for each number."""
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4), (number, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


PIC = {"bytes": png(1), "path": None}


@dataclass(frozen=True)
class Layout:
    """rows: the file that holds the set's rows. files: name → content as the fixture `put` takes it, the rows' among
    them. count: its samples. entries: the file's content → the list or mapping that its rows are in. named: the key
    that a row names its medium by, empty where it stands in the row or has a fixed name. dump: content → the file's."""

    split: str
    rows: str
    files: dict[str, Any]
    count: int = 1
    entries: Callable[[Any], Any] = lambda content: content
    named: str = ""
    dump: Callable[[Any], Any] = lambda content: content

    def dumped(self, name: str, content: Any) -> Any:
        """A file's content as it is written."""
        return self.dump(content) if name == self.rows else content


def table(split: str, rows: str, row: dict[str, Any], named: str = "", **media: Any) -> Layout:
    """A list of rows, one here; media by name."""
    return Layout(split, rows, {rows: [row], **media.pop("files", {})}, named=named, **media)


def lines(content: list[Any]) -> str:
    return "\n".join(map(json.dumps, content))


def inside(key: str) -> Callable[[Any], Any]:
    return lambda content: content[key]


ASKED = {"question": "Which?", "choices": ["red", "blue"]}
CHOICE = "Which?\nA. red\nB. blue"
TALK = [{"from": "human", "value": f"<image>\n{CHOICE}\nAnswer with the letter."}, {"from": "gpt", "value": "B"}]
CHAT = [
    {"role": "user", "content": [{"type": "image", "text": None}, {"type": "text", "text": "How far is it?"}]},
    {"role": "assistant", "content": [{"type": "text", "text": "Two metres."}]},
]

QUESTIONS = {
    "mmmu": table("validation", "data/validation-0.parquet", {
        "id": "v1", "question": "Is <image 1>?", "options": "['yes', 'no']", "answer": "B", "image_1": PIC}),
    "mathvista": table("testmini", "data/testmini-0.parquet", {
        "pid": "1", "question": "How long?", "decoded_image": PIC, "unit": None, "precision": None, "choices": ["2",
        "1"],
        "answer": "1", "answer_type": "text"}),
    "mathverse": table("testmini", "testmini.parquet", {
        "sample_index": "1", "question": CHOICE, "answer": "B", "question_type": "multi-choice", "image": PIC,
        "problem_version": "Text Lite", "problem_index": "1"}),
    "scienceqa": table("train", "data/train-0.parquet", {**ASKED, "answer": 0, "hint": "", "subject": "x",
    "image": PIC}),
    "ai2d": table("test", "data/test-0.parquet", {
        "question": "?", "options": ["a", "b"], "answer": "0", "image": PIC}),
    "mmstar": table("val", "mmstar.parquet", {
        "index": 7, "question": "Which?\nOptions: A: x, B: y", "answer": "B", "image": png(2), "category": "logic"}),
    "mmbench": table("dev-en", "en/dev-0.parquet", {
        "index": 3, "question": "?", "hint": "nan", "A": "x", "B": "y", "C": "nan", "D": "nan", "answer": "B",
        "category": "ocr", "image": PIC}),
    "videomme": table("test", "videomme/test-0.parquet", {
        "question_id": "1", "videoID": "a", "question": "?", "options": ["A. x", "B. y"], "answer": "B"}, "videoID",
        files={"data/a.mp4": CLIP}),
    "mmvu": table("validation", "validation.json", {
        "id": "v1", "video": "https://hub/videos/Art/1.mp4", "question_type": "multiple-choice", "question": "?",
        "choices": {"A": "x", "B": "y"}, "answer": "B"}, files={"videos/Art/1.mp4": CLIP}),
    "longvideobench": table("val", "lvb_val.json", {
        "id": "a", "video_path": "a.mp4", "question": "?", "candidates": ["r", "s"], "correct_choice": 1}, "video_path",
        files={"videos/a.mp4": CLIP}),
    "video-holmes": table("train", "train_Video-Holmes.json", {
        "video ID": "a", "Question ID": 3, "Question": "Who?", "Answer": "B", "Options": {"A": "he", "B": "she"}},
        "video ID", files={"videos_cropped/a.mp4": CLIP}),
    "videommmu": table("test", "Perception/test-0.parquet", {
        "id": "a", "question": "?", "options": ["p", "q"], "answer": "B"}, "id", files={"Science/a.mp4": CLIP}),
    "videomathqa": table("test", "mcq/test-0.parquet", {
        "question_id": "q1", "videoID": "a", "question": "?", "answer": "B", "options": ["A. 1", "B. 2"],
        "category": "Chart"}, "videoID", files={"videos/a.mp4": CLIP}),
    "longvideo-reason": table("train", "data/train-0.parquet", {
        "problem_id": 1, "problem": CHOICE, "answer": "<answer>B</answer>", "videos": "longvila_videos/c.mp4",
        "problem_type": "plot"}, files={"longvila_videos/c.mp4": CLIP}),
    "mmsci-caption": table("train", "benchmark/train/image_caption_generation_data.json", {
        "image": "n.png", "caption": "A graph.", "subject": "Physics"}, "image",
        files={"benchmark/train/images/n.png": STILL}),
    "videommlu-caption": table("test", "video_mmlu.jsonl", {
        "video_id": "k", "discipline": "Math", "caption": "A lecture."}, "video_id", dump=lines,
        files={"youtube_videos/k.mp4": CLIP}),
}  # fmt: skip

PICTURES = {
    "a-okvqa": table("train", "aokvqa_v1p0_train.json", {
        "question_id": "q", "image_id": 9, **ASKED, "correct_choice_idx": 1},
        files={"coco/train2017/000000000009.jpg": STILL}),
    "a-okvqa-hub": table("train", "data/train-0.parquet", {
        "question_id": "q", **ASKED, "correct_choice_idx": 1, "image": PIC}),
    "arxivqa": table("train", "arxivqa.jsonl", {
        "id": "a", "image": "images/1.jpg", "question": "Which?", "options": ["A) red", "B) blue"], "label": "B"},
        "image", dump=lines, files={"images/1.jpg": STILL}),
    "tabmwp": Layout("train", "problems_train.json", {
        "problems_train.json": {
            "7": {"question": "How much?", "choices": None, "answer": "1,200", "unit": "$"},
            "8": {**ASKED, "answer": "blue", "unit": None},
            "9": {"question": "What part?", "choices": None, "answer": "3/4", "unit": None}},
        **{f"tables/{at}.png": STILL for at in (7, 8, 9)}}, 3),
    "pmc-vqa": Layout("train", "train.csv", {
        "train.csv": "Figure_path,Question,Answer,Choice A,Choice B,Choice C,Choice D,Answer_label\n"
        'f.jpg,Which?,"MRI", A:CT ," B:MRI,"," C:US "," D:PET ",B\n',
        "images/f.jpg": STILL}),
    "visulogic": table("train", "visulogic_train.jsonl", {
        "id": "0", "question": "Which fits?\nA: A\nB: B\nC: C\nD: D", "label": "C", "tag": "x",
        "image_path": "images/0.png"}, "image_path", dump=lines, files={"images/0.png": STILL}),
    "exams-v": table("train", "data/train-0.parquet", {"sample_id": "s", "image": PIC, "answer_key": "C",
    "subject": "x"}),
    "visual7w": Layout("train", "dataset.json", {
        "dataset.json": {"dataset": "v7w", "images": [
            {"filename": "v7w_1.jpg", "split": "train", "image_id": 1, "qa_pairs": [
                {"qa_id": 5, "question": "Which?", "answer": "Red.", "multiple_choices": ["Blue.", "Grey.",
                "White."]}]},
            {"filename": "v7w_2.jpg", "split": "val", "image_id": 2, "qa_pairs": [{"qa_id": 6}]}]},
        "images/v7w_1.jpg": STILL}, entries=inside("images"), named="filename"),
    "vqa-rad": table("train", "data/train-0.parquet", {"question": "Is it?", "answer": "yes", "image": PIC}),
    "mmk12": table("train", "data/train-0.parquet", {
        "id": "k", "question": "<image>\nFind x.", "answer": "\\frac{1}{2}", "subject": "math", "image": PIC}),
    "ares": table("train", "train.json", {
        "problem": "<image>Find x.", "answer": "5", "images": ["images/1.png"]}, files={"images/1.png": STILL}),
    "super-clevr": Layout("train", "superCLEVR_questions_30k.json", {
        "superCLEVR_questions_30k.json": {"info": {}, "questions": [
            {"question": "How many?", "answer": 3, "image_filename": "superCLEVR_new_000001.png"},
            {"question": "Is it?", "answer": True, "image_filename": "superCLEVR_new_000001.png"},
            {"question": "How many?", "answer": 3, "image_filename": "superCLEVR_new_025001.png"}]},
        "images/superCLEVR_new_000001.png": STILL}, entries=inside("questions"), named="image_filename"),
    "clevr-math": Layout("train", "clevr-math-train.json", {
        "clevr-math-train.json": {"questions": [
            {"question": "How many are left?", "answer": 2, "split": "train",
            "image_filename": "CLEVR_train_000001.png"}]},
        "CLEVR_v1.0/images/train/CLEVR_train_000001.png": STILL}, entries=inside("questions"), named="image_filename"),
    "dvqa": table("train", "train_qa.json", {
        "question_id": 1, "question": "What is it worth?", "answer": "30", "image": "bar_train_00000001.png"}, "image",
        files={"images/bar_train_00000001.png": STILL}),
    "chartqa": table("train", "ChartQA Dataset/train/train_human.json", {
        "imgname": "1.png", "query": "How many?", "label": "14.5"}, "imgname",
        files={"ChartQA Dataset/train/png/1.png": STILL}),
    "gvlqa": table("train", "GVLQA-BASE/cycle/QA/Vision_Text_train.json", {
        "id": "1", "image": "cycle/image/1.png",
        "conversations": [{"from": "human", "value": "Is there a cycle?"}, {"from": "gpt", "value": "Yes."}]}, "image",
        files={"GVLQA-BASE/cycle/image/1.png": STILL}),
    "openspaces": table("train", "data/train-0.parquet", {"images": [PIC], "messages": CHAT}),
    "spacellava": table("train", "data/train-0.parquet", {"images": [PIC], "messages": CHAT}),
    "sharegpt4v": table("train", "sharegpt4v_instruct_gpt4-vision_cap100k.json", {
        "id": "1", "image": "coco/train2017/1.jpg",
        "conversations": [{"from": "human", "value": "<image>\nDescribe it."}, {"from": "gpt",
        "value": "A black square."}]},
        "image", files={"coco/train2017/1.jpg": STILL}),
    "visualwebinstruct": table("train", "mixed.jsonl", {
        "image": ["1.png"],
        "conversations": [{"from": "human", "value": "<image>\nWhy?"}, {"from": "gpt", "value": "Because it is so."}]},
        dump=lines, files={"imgs/1.png": STILL}),
    "hme100k": Layout("train", "train_labels.txt", {
        "train_labels.txt": "train_1.jpg\t\\frac { a } { b }\n", "train_images/train_1.jpg": STILL}),
    "iam": table("train", "data/train-0.parquet", {"image": PIC, "text": "a line of ink"}),
    "textvqa": Layout("train", "TextVQA_0.5.1_train.json", {
        "TextVQA_0.5.1_train.json": {"dataset_type": "train", "data": [
            {"question_id": 1, "question": "What does it say?", "image_id": "ab",
            "answers": ["Stop"] * 6 + ["halt"] * 4},
            {"question_id": 2, "question": "And that?", "image_id": "ab", "answers": ["unanswerable"] * 9 + ["x"]}]},
        "train_images/ab.jpg": STILL}, entries=inside("data"), named="image_id"),
    "textcaps": Layout("train", "TextCaps_0.1_train.json", {
        "TextCaps_0.1_train.json": {"data": [{"image_id": "ab", "caption_str": "A sign that says stop."}]},
        "train_images/ab.jpg": STILL}, entries=inside("data"), named="image_id"),
}  # fmt: skip

_CHOICES = [
    {"choice_id": 0, "choice": "The red one.", "answer": "wrong"},
    {"choice_id": 1, "choice": "The blue one.", "answer": "correct"},
]
CLIPS = {
    "star": table("train", "STAR_train.json", {
        "question_id": "I_1", "video_id": "AB", "start": 0.2, "end": 1.4, "question": "Which?",
        "answer": "The blue one.",
        "choices": _CHOICES}, "video_id", files={"Charades_v1_480/AB.mp4": CLIP}),
    "clevrer": table("train", "train.json", {
        "video_filename": "video_00000.mp4", "scene_index": 0, "questions": [
            {"question_id": 0, "question": "How many?", "answer": "2", "question_type": "descriptive"},
            {"question_id": 1, "question": "Is it?", "answer": "yes", "question_type": "descriptive"},
            {"question_id": 2, "question": "What is it of?", "answer": "rubber", "question_type": "descriptive"},
            {"question_id": 3, "question": "Which?", "question_type": "explanatory", "choices": _CHOICES},
            {"question_id": 4, "question": "Which?", "question_type": "predictive", "choices": _CHOICES[1:] * 2}]},
        "video_filename", count=3, files={"video_train/video_00000-01000/video_00000.mp4": CLIP}),
    "next-qa": Layout("train", "train.csv", {
        "train.csv": "video,frame_count,width,height,question,answer,qid,type,a0,a1,a2,a3,a4\n"
        "24,300,32,24,why is it so,3,7,CW,one,two,three,four,five\n", "NExTVideo/0101/24.mp4": CLIP}),
    "perceptiontest": Layout("train", "mc_question_train.json", {
        "mc_question_train.json": {"video_1": {"metadata": {}, "mc_question": [
            {"id": 0, "question": "Which?", "options": ["a", "b", "c"], "answer_id": 2, "area": "Memory"}]}},
        "videos/video_1.mp4": CLIP}),
    "sharegpt4video": table("train", "sharegpt4video_40k.jsonl", {
        "video_id": "v", "video_path": "panda/v.mp4", "captions": [
            {"idx": "1", "content": "A part."}, {"idx": "-1", "content": "It is black all the time."}]}, "video_path",
        dump=lines, files={"panda/v.mp4": CLIP}),
    "videoespresso": table("train", "videoespresso_train_video.json", {
        "question": "Why?", "answer": "Because it is dark.", "video_path": "a/v.mp4", "task": "Causal"}, "video_path",
        files={"a/v.mp4": CLIP}),
    "llava-video": table("train", "0_30_s_academic_v0_1/0_30_s_academic_mc_v0_1_qa_processed.json", {
        "id": "1", "data_source": "x", "video": "academic_source/v.mp4", "conversations": [
            {"from": "human", "value": f"<image>\n{CHOICE}\nPlease provide your answer by stating the letter."},
            {"from": "gpt", "value": "B. blue"}, {"from": "human", "value": CHOICE}, {"from": "gpt", "value": "A."}]},
        "video", count=2, files={"0_30_s_academic_v0_1/academic_source/v.mp4": CLIP}),
    "llava-video-captions": table("train", "0_30_s_academic_v0_1/0_30_s_academic_v0_1_cap_processed.json", {
        "id": "1", "video": "academic_source/v.mp4", "conversations": [
            {"from": "human", "value": "<image>\nDescribe it."}, {"from": "gpt", "value": "It is black throughout."}]},
        "video", files={"academic_source/v.mp4": CLIP}),
    "llava-video-open": table("train", "0_30_s_academic_v0_1/0_30_s_academic_oe_v0_1_qa_processed.json", {
        "id": "1", "video": "academic_source/v.mp4", "conversations": [
            {"from": "human", "value": "<image>\nWhat is it?"}, {"from": "gpt", "value": "It is a black square."}]},
        "video", files={"academic_source/v.mp4": CLIP}),
    "sr-91k": table("train", "SR-91k.jsonl", {
        "problem_id": 1, "problem": "How far, in metres?", "data_type": "video", "problem_type": "regression",
        "options": [], "solution": "<answer>1.5</answer>", "path": "./SR/v.mp4", "data_source": "SR_dataset"}, "path",
        dump=lines, files={"SR/v.mp4": CLIP}),
}  # fmt: skip
