"""The sets of the paper's Figure 3, and where each is read from: what `data build` looks for below its data root.

A set may be had in several ways: as its owner publishes it, which comes first, or from a collection that has it. Every
way names its reader and the folder below the data root that the set is expected in; evaluation looks in the same ones.
Sets whose owner's own files are not read here say why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

GROUPS: dict[str, tuple[str, ...]] = {
    "rule_qa": ("multiple_choice", "numerical", "regression", "math"),
    "rule_qa_math": ("math",),
    "rule_qa_ocr": ("ocr",),
    "rule_qa_number": ("numerical", "regression"),
    "open_caption": ("open_ended", "caption"),
    "temporal": ("temporal_grounding",),
    "spatial": ("spatial_grounding",),
    "spatial_temporal": ("spatial_temporal_grounding",),
    "tracking": ("tracking",),
    "segmentation": ("image_segmentation", "video_segmentation"),
}
"""Figure 3's groups → the tasks of their samples."""


@dataclass(frozen=True, slots=True)
class Way:
    """reader: a name in `SOURCES`, whose training split is meant. folder: below the data root."""

    reader: str
    folder: str


@dataclass(frozen=True, slots=True)
class Part:
    """A sector of Figure 3. ways: how the set can be had, in order of preference. unread: why its owner's own files are
    not read here, empty where they are."""

    group: str
    title: str
    ways: tuple[Way, ...]
    unread: str = ""

    @property
    def tasks(self) -> tuple[str, ...]:
        """Of its samples: a reader may have others, which belong to another sector or to none."""
        return GROUPS[self.group]


_COLLECTIONS = (
    ("video-r1-", "Video-R1-data"),
    ("cauldron-", "the_cauldron"),
    ("onevision-", "LLaVA-OneVision-Data"),
)
"""Readers by the beginning of their names → the folder of their collection."""

Sector = dict[str, tuple[str, ...]]
"""A set's title → `READER:FOLDER` of each way, without the folder for a reader of a collection."""

_RULE: Sector = {
    "LLaVA-Video": ("llava-video:LLaVA-Video-178K", "video-r1-llava-video"),
    "LongVILA": ("longvideo-reason:LongVideo-Reason",),
    "SR-91k": ("sr-91k:SR-91k",),
    "STAR": ("star:STAR", "video-r1-star"),
    "ArxivQA": ("arxivqa:ArxivQA", "video-r1-arxivqa"),
    "CLEVRER": ("clevrer:CLEVRER", "video-r1-clevrer"),
    "NExT-QA": ("next-qa:NExT-QA", "video-r1-next-qa"),
    "SpaceLLaVA": ("spacellava:SpaceLLaVA", "video-r1-spacellava"),
    "OpenSpaces": ("openspaces:OpenSpaces", "video-r1-openspaces"),
    "PerceptionTest": ("perceptiontest:PerceptionTest", "video-r1-perceptiontest"),
    "PMC-VQA": ("pmc-vqa:PMC-VQA", "video-r1-pmc-vqa", "onevision-pmc-vqa"),
    "TabMWP": ("tabmwp:TabMWP", "video-r1-tabmwp", "cauldron-tabmwp"),
    "VisuLogic": ("visulogic:VisuLogic-Train",),
    "AI2D": ("video-r1-ai2d", "cauldron-ai2d"),
    "A-OKVQA": ("a-okvqa:A-OKVQA", "a-okvqa-hub:A-OKVQA", "video-r1-a-okvqa", "cauldron-aokvqa"),
    "ScienceQA": ("scienceqa:ScienceQA", "video-r1-scienceqa", "cauldron-scienceqa"),
    "GVLQA": ("gvlqa:GVLQA", "video-r1-gvlqa"),
    "UniGeo": ("video-r1-unigeo", "onevision-unigeo"),
    "TQA": ("video-r1-tqa", "cauldron-tqa"),
    "FigureQA": ("video-r1-figureqa", "cauldron-figureqa"),
    "EXAMS-V": ("exams-v:EXAMS-V", "video-r1-exams-v"),
    "GeoQA+": ("video-r1-geoqa+", "onevision-geoqa+"),
    "Geometry3K": ("video-r1-geometry3k", "onevision-geometry3k"),
    "IconQA": ("video-r1-iconqa", "cauldron-iconqa"),
    "Video-Holmes": ("video-holmes:Video-Holmes",),
    "MapQA": ("video-r1-mapqa", "cauldron-mapqa"),
    "Visual7W": ("visual7w:Visual7W", "video-r1-visual7w", "cauldron-visual7w"),
    "VQA-RAD": ("vqa-rad:VQA-RAD", "video-r1-vqa-rad", "cauldron-vqarad"),
    "GEOS": ("video-r1-geos", "onevision-geos"),
}
_MATH: Sector = {"ARES": ("ares:ARES",), "MMK12": ("mmk12:MMK12",)}
_OCR: Sector = {
    "HME100k": ("hme100k:HME100K", "video-r1-hme100k", "onevision-hme100k"),
    "IAM": ("iam:IAM-line", "video-r1-iam", "cauldron-iam"),
    "ChromeWriting": ("video-r1-chromewriting", "onevision-chrome-writting"),
    "TextVQA": ("textvqa:TextVQA", "video-r1-textvqa", "cauldron-textvqa"),
    "RenderedText": ("video-r1-renderedtext", "cauldron-rendered_text"),
    "TextCaps": ("textcaps:TextCaps", "video-r1-textcaps", "cauldron-textcaps"),
    "TextOCR": ("video-r1-textocr", "onevision-textocr"),
}
_NUMBER: Sector = {
    "DVQA": ("dvqa:DVQA", "video-r1-dvqa", "cauldron-dvqa"),
    "Super-CLEVR": ("super-clevr:Super-CLEVR", "video-r1-super-clevr", "onevision-super-clevr"),
    "CLEVR-Math": ("clevr-math:CLEVR-Math", "video-r1-clevr-math", "cauldron-clevr_math", "onevision-clevr-math"),
    "ChartQA": ("chartqa:ChartQA", "video-r1-chartqa", "cauldron-chartqa"),
    "PlotQA": ("video-r1-plotqa", "cauldron-plotqa"),
}
_OPEN: Sector = {
    "ShareGPT4Video": ("sharegpt4video:ShareGPT4Video",),
    "VideoEspresso": ("videoespresso:VideoEspresso",),
    "LLaVA-Video": (
        "llava-video-captions:LLaVA-Video-178K",
        "llava-video-open:LLaVA-Video-178K",
        "video-r1-llava-video",
    ),
    "VisualWebInstruct": (
        "visualwebinstruct:VisualWebInstruct",
        "video-r1-visualwebinstruct",
        "onevision-visualwebinstruct",
    ),
    "ShareGPT4o": ("video-r1-sharegpt4o", "onevision-sharegpt4o"),
    "OpenSpaces": ("openspaces:OpenSpaces", "video-r1-openspaces"),
    "AI2D": ("video-r1-ai2d", "onevision-ai2d-gpt4v"),
    "SpaceLLaVA": ("spacellava:SpaceLLaVA", "video-r1-spacellava"),
    "ShareGPT4V": ("sharegpt4v:ShareGPT4V", "video-r1-sharegpt4v", "onevision-sharegpt4v"),
    "RoBUT-SQA": ("video-r1-robut-sqa", "cauldron-robut_sqa"),
    "Chart2Text": ("video-r1-chart2text", "cauldron-chart2text"),
}
_TEMPORAL: Sector = {
    "ActivityNet-Captions": ("activitynet-captions:ActivityNet",),
    "VTG-IT": ("vtg-it:VTG-IT",),
    "DiDeMo": ("didemo:DiDeMo",),
    "QuerYD": ("queryd:QuerYD",),
    "Charades-STA": ("charades-sta:Charades-STA",),
    "HiREST": ("hirest:HiREST",),
}
_SPATIAL: Sector = {title: (f"{title.lower()}:RefCOCO",) for title in ("RefCOCO", "RefCOCO+", "RefCOCOg")}
_TRACKING: Sector = {
    "ElysiumTrack": ("elysiumtrack:ElysiumTrack-1M",),
    "TrackingNet": ("trackingnet:TrackingNet",),
    "GOT-10k": ("got-10k:GOT-10k",),
}
_SEGMENTATION: Sector = {
    "Ref-SAV": ("ref-sav:Ref-SAV",),
    "ReVOS": ("revos:ReVOS",),
    **{title: (f"{title.lower()}-segmentation:RefCOCO",) for title in ("RefCOCO", "RefCOCOg", "RefCOCO+")},
    "Ref-YouTube-VOS": ("ref-youtube-vos:Ref-YouTube-VOS",),
    "MeViS": ("mevis:MeViS",),
    "Ref-DAVIS17": ("ref-davis17:Ref-DAVIS17",),
}
_SECTORS: dict[str, Sector] = {
    "rule_qa": _RULE,
    "rule_qa_math": _MATH,
    "rule_qa_ocr": _OCR,
    "rule_qa_number": _NUMBER,
    "open_caption": _OPEN,
    "temporal": _TEMPORAL,
    "spatial": _SPATIAL,
    "spatial_temporal": {"LLaVA-ST-STVG": ("llava-st-stvg:LLaVA-ST",)},
    "tracking": _TRACKING,
    "segmentation": _SEGMENTATION,
}
_PICKLED = "its pickles hold pictures as numpy arrays, and pickles that name a class are not read"
_NO_LAYOUT = "no loader of its owner's files was found to read their layout from"
_UNREAD = {
    "UniGeo": _PICKLED,
    "GeoQA+": _PICKLED,
    "GEOS": _NO_LAYOUT,
    "Geometry3K": "a folder a problem, in archives; collections have it as a table",
    "IconQA": "its splits, problems and pictures lie in three files and a folder a problem; collections have it as a "
    "table",
    "TQA": "lessons, not questions, are its entries; collections have it as a table",
    "FigureQA": _NO_LAYOUT,
    "MapQA": "its questions have sets of answers; collections have those that a rule can score",
    "AI2D": "a file a picture; collections have it as a table",
    "PlotQA": "28.9 million questions in one file; collections have a part of them",
    "ChromeWriting": "only collections have it",
    "RenderedText": "tar shards without questions; collections have it as a table",
    "TextOCR": "words and their places, not questions, are its entries; collections have it as a table",
    "ShareGPT4o": _NO_LAYOUT,
    "RoBUT-SQA": "tables as text, which collections have drawn as pictures",
    "Chart2Text": _NO_LAYOUT,
}


def _way(named: str) -> Way:
    reader, _, folder = named.partition(":")
    return Way(reader, folder or next(home for prefix, home in _COLLECTIONS if reader.startswith(prefix)))


def _parts() -> Iterator[Part]:
    for group, sector in _SECTORS.items():
        for title, ways in sector.items():
            yield Part(group, title, tuple(_way(way) for way in ways), _UNREAD.get(title, ""))


PARTS = tuple(_parts())
"""Figure 3's sectors, in its order."""
