"""SAM 2 (Ravi et al. 2024) through transformers: any `facebook/sam2.1-hiera-*` checkpoint, or a folder that holds one.

Clips are streamed: a frame enters the session when it is followed and leaves it again, and outputs that no later frame
looks back at are dropped. What comes out equals `propagate_in_video_iterator` forwards and then in reverse over a
session that holds the whole clip.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike
from PIL import Image
from transformers import Sam2Model, Sam2Processor, Sam2VideoModel, Sam2VideoProcessor
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from onethinker.segment.base import Frame, Mask, Prompt, Segmenter, SegmenterError


class Sam2(Segmenter):
    """checkpoint: hub id or folder. device: `auto`, `cpu`, `cuda`, … Weights are loaded when first needed."""

    step: ClassVar[float] = 0.2

    def __init__(self, checkpoint: str, device: str = "auto") -> None:
        self.checkpoint = checkpoint
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)

    @property
    def identity(self) -> str:
        return f"sam2:{self.checkpoint}"

    @cached_property
    def image_model(self) -> tuple[Any, Any]:
        """`(Sam2Model, Sam2Processor)`."""
        return self._load(Sam2Model), self._load(Sam2Processor)

    @cached_property
    def video_model(self) -> tuple[Any, Any]:
        """`(Sam2VideoModel, Sam2VideoProcessor)`."""
        return self._load(Sam2VideoModel), self._load(Sam2VideoProcessor)

    def _load(self, kind: Any) -> Any:
        try:
            loaded = kind.from_pretrained(self.checkpoint)
        except (OSError, ValueError) as error:
            raise SegmenterError(
                f"SAM 2 checkpoint {self.checkpoint!r} cannot be loaded ({error}); give the id or the folder of a "
                "facebook/sam2.1-hiera-* checkpoint as sam2:<id or folder>, or use grabcut, which needs no weights"
            ) from error
        return loaded.to(self.device).eval() if isinstance(loaded, torch.nn.Module) else loaded

    @torch.inference_mode()
    def segment_image(
        self, image: Image.Image | Frame, box: ArrayLike, positive: ArrayLike, negative: ArrayLike
    ) -> Mask:
        model, processor = self.image_model
        pixels = np.asarray(image.convert("RGB") if isinstance(image, Image.Image) else image)
        prompt = Prompt.of(box, positive, negative).in_pixels(pixels.shape[1], pixels.shape[0])
        inputs = processor(images=pixels, return_tensors="pt", **prompt_inputs(prompt)).to(self.device)
        logits = model(**inputs, multimask_output=False).pred_masks
        return processor.post_process_masks(logits.cpu(), inputs["original_sizes"].cpu())[0][0, 0].numpy()

    def start(self, frame: Frame, prompt: Prompt, before: int, after: int) -> Sam2Tracker:
        return Sam2Tracker(*self.video_model, frame, prompt, before=before, after=after)


class Sam2Tracker:
    """One object through one clip."""

    def __init__(self, model: Any, processor: Any, frame: Frame, prompt: Prompt, *, before: int, after: int) -> None:
        self.model, self.processor = model, processor
        height, width = self.size = frame.shape[0], frame.shape[1]
        self.session = StreamedSession(before + 1 + after, height, width, model)
        self.reach = max(model.config.max_object_pointers_in_encoder, model.config.num_maskmem)
        self.key = self.index = before
        pixels = prompt.in_pixels(width, height)
        processor.add_inputs_to_inference_session(
            self.session, frame_idx=self.key, obj_ids=1, original_size=self.size, **prompt_inputs(pixels)
        )
        self.mask = self._see(frame, self.key, False)

    def follow(self, frame: Frame, reverse: bool) -> Mask:
        if reverse:
            self.index = min(self.index, self.key) - 1
        else:
            self.index += 1
        return self._see(frame, self.index, reverse)

    @torch.inference_mode()
    def _see(self, frame: Frame, index: int, reverse: bool) -> Mask:
        processed = self.processor.video_processor(videos=[frame[None]], device=self.model.device, return_tensors="pt")
        self.session.add_new_frame(processed.pixel_values_videos[0], index)
        logits = self.model(self.session, frame_idx=index, reverse=reverse).pred_masks
        self._forget(index)
        return self.processor.post_process_masks([logits], original_sizes=[list(self.size)])[0][0, 0].cpu().numpy()

    def _forget(self, index: int) -> None:
        """Keep what later frames look back at: `reach` frames behind, and around the key frame for the way back."""
        self.session.processed_frames = {}
        outputs = self.session.output_dict_per_obj[0]["non_cond_frame_outputs"]
        for old in [i for i in outputs if abs(i - index) > self.reach and abs(i - self.key) > self.reach]:
            del outputs[old]
        if index in outputs:
            for large in ("pred_masks", "high_res_masks"):
                del outputs[index][large]


class StreamedSession(Sam2VideoInferenceSession):
    """A session that knows how long the clip is without holding its frames; SAM 2 scales its memory's ages by that."""

    def __init__(self, length: int, height: int, width: int, model: Any) -> None:
        super().__init__(None, height, width, model.device, model.device, model.device, model.dtype)
        self.length = length

    @property
    def num_frames(self) -> int:
        return self.length


def prompt_inputs(prompt: Prompt) -> dict[str, Any]:
    """The processor's nested lists (image, object, point, coordinate) of one object's pixel box and points."""
    points = np.concatenate([prompt.positive, prompt.negative]).tolist()
    inputs: dict[str, Any] = {"input_boxes": [[prompt.box.tolist()]]}
    if points:
        inputs["input_points"] = [[points]]
        inputs["input_labels"] = [[[1] * len(prompt.positive) + [0] * len(prompt.negative)]]
    return inputs
