"""SAM 2's whole path, with a small random model: the same as calling transformers by hand, in bounded memory."""

import numpy as np
import pytest

from onethinker.media import Clip, write_clip
from onethinker.segment import SegmenterError, make_segmenter
from onethinker.segment.base import Prompt
from tests.amount import thinned

torch = pytest.importorskip("torch")
SIDE = 128
BOX, ON, OFF = [200, 300, 700, 800], [[400, 500], [450, 600], [500, 500]], [[100, 100], [900, 900], [800, 100]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A folder like facebook/sam2.1-hiera-*, with 1/8 of its image size and random weights."""
    from transformers import (
        Sam2ImageProcessor,
        Sam2VideoConfig,
        Sam2VideoModel,
        Sam2VideoProcessor,
        Sam2VideoVideoProcessor,
    )

    backbone = {
        "model_type": "sam2_hiera_det_model",
        "hidden_size": 16,
        "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1],
        "embed_dim_per_stage": [16, 32, 64, 128],
        "num_attention_heads_per_stage": [1, 1, 2, 2],
        "window_size_per_stage": [8, 4, 4, 4],
        "global_attention_blocks": [3],
        "window_positional_embedding_background_size": [4, 4],
    }
    vision = {
        "model_type": "sam2_vision_model",
        "backbone_config": backbone,
        "backbone_channel_list": [128, 64, 32, 16],
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "fpn_hidden_size": 128,
    }
    config = Sam2VideoConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 128, "image_size": SIDE, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 128, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 64},
        image_size=SIDE,
        memory_attention_hidden_size=128,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=32,
        memory_attention_rope_feat_sizes=[8, 8],
        memory_encoder_hidden_size=128,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=128,
        memory_fuser_embed_dim=128,
        memory_fuser_intermediate_dim=32,
    )
    torch.manual_seed(5)  # gives masks that change from frame to frame
    model = Sam2VideoModel(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.normal_(0, 1.4 * (2 / weight[0].numel()) ** 0.5)
    folder = tmp_path_factory.mktemp("sam2")
    model.save_pretrained(folder)
    size = {"height": SIDE, "width": SIDE}
    images = Sam2ImageProcessor(size=size, mask_size={"height": SIDE // 4, "width": SIDE // 4})
    Sam2VideoProcessor(images, Sam2VideoVideoProcessor(size=size), target_size=SIDE).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(0)
    out = rng.integers(0, 256, (24, 60, 80, 3), dtype=np.uint8) // 3
    for index, frame in enumerate(out):
        frame[20:40, 10 + index : 40 + index] += 120
    return out


def by_hand(checkpoint, frames, key):
    """The documented calls: the whole clip in one session, propagated forwards, then in reverse."""
    from transformers import Sam2VideoModel, Sam2VideoProcessor

    model, processor = Sam2VideoModel.from_pretrained(checkpoint).eval(), Sam2VideoProcessor.from_pretrained(checkpoint)
    session = processor.init_video_session(video=frames)
    scale = np.array([80, 60]) / 1000
    processor.add_inputs_to_inference_session(
        session,
        frame_idx=key,
        obj_ids=1,
        input_boxes=[[(np.array(BOX) * [*scale, *scale]).tolist()]],
        input_points=[[(np.array(ON + OFF) * scale).tolist()]],
        input_labels=[[[1, 1, 1, 0, 0, 0]]],
    )
    masks = np.zeros(frames.shape[:3], bool)
    with torch.inference_mode():
        model(session, frame_idx=key)
        for reverse in (False, True):
            for output in model.propagate_in_video_iterator(session, start_frame_idx=key, reverse=reverse):
                full = processor.post_process_masks([output.pred_masks], original_sizes=[[60, 80]])[0]
                masks[output.frame_idx] = full[0, 0].numpy()
    return masks


@pytest.mark.parametrize(("length", "key"), thinned([(24, 10), (8, 3), (5, 0), (5, 4), (1, 0)], (5, 4)))
def test_clips_equal_transformers_by_hand(checkpoint, frames, length, key):
    frames = frames[:length]
    clip = Clip(frames, np.arange(length) / 10, length / 10, 80, 60)
    ours = make_segmenter(f"sam2:{checkpoint}", "cpu").segment_clip(clip, key / 10, BOX, ON, OFF, clip.times)
    theirs = by_hand(checkpoint, frames, key)
    assert np.array_equal(ours, theirs)
    assert 0.02 < theirs.mean() < 0.98
    assert length == 1 or (theirs[0] != theirs[-1]).any()


def test_images_equal_transformers_by_hand(checkpoint, frames):
    from transformers import Sam2Model, Sam2Processor

    model, processor = Sam2Model.from_pretrained(checkpoint).eval(), Sam2Processor.from_pretrained(checkpoint)
    scale = np.array([80, 60]) / 1000
    inputs = processor(
        images=frames[0],
        input_boxes=[[(np.array(BOX) * [*scale, *scale]).tolist()]],
        input_points=[[(np.array(ON + OFF) * scale).tolist()]],
        input_labels=[[[1, 1, 1, 0, 0, 0]]],
        return_tensors="pt",
    )
    with torch.inference_mode():
        logits = model(**inputs, multimask_output=False).pred_masks
    theirs = processor.post_process_masks(logits, inputs["original_sizes"])[0][0, 0].numpy()
    ours = make_segmenter(f"sam2:{checkpoint}", "cpu").segment_image(frames[0], BOX, ON, OFF)
    assert np.array_equal(ours, theirs) and 0.02 < ours.mean() < 0.98


@pytest.mark.slow
def test_memory_is_bounded(checkpoint, frames):
    tracker = make_segmenter(f"sam2:{checkpoint}", "cpu").start(frames[0], Prompt.of(BOX, ON, OFF), 50, 50)
    for reverse in (False, True):
        for index in range(50):
            tracker.follow(frames[index % len(frames)], reverse)
            outputs = tracker.session.output_dict_per_obj[0]["non_cond_frame_outputs"]
            assert len(outputs) <= 3 * tracker.reach + 1
            assert not any("high_res_masks" in output or "pred_masks" in output for output in outputs.values())
    assert not tracker.session.processed_frames


def test_a_clip_file_is_streamed(checkpoint, frames, tmp_path, monkeypatch):
    monkeypatch.setattr("onethinker.segment.base.STRETCH_BYTES", 3 * 60 * 80 * 3)
    path = write_clip(tmp_path / "c.mp4", frames, 10)
    masks = make_segmenter(f"sam2:{checkpoint}", "cpu").segment_clip(path, 1.0, BOX, ON, OFF, [2.0, 0.0, 1.0, 2.0])
    assert masks.shape == (4, 60, 80) and np.array_equal(masks[0], masks[3])


def test_a_missing_checkpoint_says_what_to_do(tmp_path, frames):
    with pytest.raises(SegmenterError, match="grabcut"):
        make_segmenter(f"sam2:{tmp_path}", "cpu").segment_image(frames[0], BOX, ON, OFF)
