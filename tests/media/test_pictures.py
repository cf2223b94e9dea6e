"""Still pictures of every make: deep grey, odd colours, broken metadata, HEIC, and what an animation shows first."""

from __future__ import annotations

import builtins
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from onethinker.media import MediaError, hdr, heif, is_clip, open_clip, open_image, probe

CASES = Path(__file__).parents[3] / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases, inputs that once failed, is absent")
RAMP = np.linspace(0, 65535, 96 * 64).reshape(64, 96)
EIGHT_BITS = (RAMP.astype(int) >> 8).astype(np.uint8)


def corners() -> Image.Image:
    """Red and green over blue and yellow, 96×64."""
    picture = np.zeros((64, 96, 3), np.uint8)
    picture[:32, :48], picture[:32, 48:] = (220, 30, 30), (30, 200, 30)
    picture[32:, :48], picture[32:, 48:] = (30, 30, 220), (230, 230, 30)
    return Image.fromarray(picture)


def grey_of(path: Path) -> np.ndarray:
    """(H, W) of a picture that is grey, the same however it is opened."""
    picture = np.asarray(open_image(path))
    assert np.array_equal(picture, open_clip(path).frames[0]) and probe(path).kind == "image" and not is_clip(path)
    assert (picture == picture[..., :1]).all()
    return picture[..., 0]


def assert_same(path: Path, expected: Image.Image, most: int = 12) -> None:
    """Equal to the expected picture but for coding, the same however it is opened."""
    picture = np.asarray(open_image(path))
    assert np.array_equal(picture, open_clip(path).frames[0])
    assert picture.shape == np.asarray(expected).shape
    assert np.median(np.abs(picture.astype(int) - np.asarray(expected))) <= most
    for y, x in ((4, 4), (4, -4), (-4, 4), (-4, -4)):
        assert np.abs(picture[y, x].astype(int) - np.asarray(expected)[y, x]).max() <= most


# ---- grey of more than 8 bits -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("16.png", RAMP.astype(np.uint16)),
        ("16.tif", RAMP.astype(np.uint16)),
        ("16b.tif", RAMP.astype(">u2")),
        ("16.jp2", RAMP.astype(np.uint16)),
        ("i.tif", RAMP.astype(np.int32)),
        ("i8.tif", (RAMP / 257).astype(np.int32)),
        ("large.tif", (RAMP * 30_000).astype(np.int32)),
        ("f1.tif", (RAMP / 65535).astype(np.float32)),
        ("f255.tif", (RAMP / 257).astype(np.float32)),
        ("f65535.tif", RAMP.astype(np.float32)),
        ("f5.tif", (RAMP / 13_107).astype(np.float32)),
        ("below.tif", (RAMP - 30_000).astype(np.float32)),
    ],
)
def test_deep_grey_is_scaled_to_8_bits(tmp_path, name, values):
    Image.fromarray(values).save(tmp_path / name)
    assert np.abs(grey_of(tmp_path / name).astype(int) - EIGHT_BITS).max() <= 1


def test_the_range_of_up_to_16_bits_is_the_type_s(tmp_path):
    Image.fromarray(np.full((8, 8), 600, np.uint16)).save(tmp_path / "dark.png")
    assert (grey_of(tmp_path / "dark.png") == 2).all()
    (tmp_path / "12.pgm").write_bytes(b"P5 96 64 4095\n" + (RAMP / 16).astype(">u2").tobytes())
    assert np.abs(grey_of(tmp_path / "12.pgm").astype(int) - EIGHT_BITS).max() <= 1
    (tmp_path / "f.pfm").write_bytes(b"Pf\n96 64\n-1.0\n" + (RAMP / 65535).astype("<f4")[::-1].tobytes())
    assert np.abs(grey_of(tmp_path / "f.pfm").astype(int) - EIGHT_BITS).max() <= 1


def test_values_that_are_no_numbers_cost_nothing(tmp_path):
    values = (RAMP / 65535).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "f.tif")
    grey = grey_of(tmp_path / "f.tif")
    assert grey[0, :3].tolist() == [0, 255, 0] and np.abs(grey.astype(int) - EIGHT_BITS)[1:].max() <= 1


def test_a_tiff_in_which_0_is_white(tmp_path):
    path = tmp_path / "white.tif"
    Image.fromarray(RAMP.astype(np.uint16)).save(path)
    data = bytearray(path.read_bytes())
    photometric = data.index(struct.pack("<HHI", 262, 3, 1))
    data[photometric + 8] = 0
    path.write_bytes(data)
    assert np.array_equal(grey_of(path), 255 - EIGHT_BITS)


@needs_cases
@pytest.mark.parametrize("name", ["grey16.png", "g16.pgm", "i32.tif"])
def test_grey_cases(name):
    grey, same = (grey_of(CASES / "grey_and_apng" / file).astype(int) for file in (name, "grey16.png"))
    assert np.abs(grey - same).max() <= 1 and np.ptp(grey) == 255


# ---- colours and orientation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["c.tif", "c.jpg", "lab.tif", "p.png", "m.mpo", "pages.tif", "c.jp2", "c.avif"])
def test_kinds_of_colour(tmp_path, name):
    picture, path = corners(), tmp_path / name
    other = picture.rotate(180)
    if name.startswith("c.") and name[2:] in ("tif", "jpg"):
        picture.convert("CMYK").save(path, quality=95)
    elif name == "lab.tif":
        srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        ImageCms.applyTransform(picture, ImageCms.buildTransform(srgb, lab, "RGB", "LAB")).save(path)
    elif name == "p.png":
        picture.convert("P", palette=Image.Palette.ADAPTIVE).save(path)
    elif name in ("m.mpo", "pages.tif"):
        picture.save(path, save_all=True, append_images=[other])
    else:
        picture.save(path)
    assert_same(path, picture)
    assert not is_clip(path)


def test_a_palette_with_transparency_stands_on_white(tmp_path):
    flat = Image.new("P", (8, 8), 1)
    flat.putpalette([255, 0, 0, 0, 0, 255])
    flat.putpixel((0, 0), 0)
    flat.save(tmp_path / "p.png", transparency=bytes([255, 0]))
    picture = open_image(tmp_path / "p.png")
    assert picture.getpixel((0, 0)) == (255, 0, 0) and picture.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_every_orientation_in_every_format(tmp_path, suffix, orientation):
    path, stored = tmp_path / f"o{suffix}", corners()
    exif = stored.getexif()
    exif[0x0112] = orientation
    stored.save(path, **({"tiffinfo": {0x0112: orientation}} if suffix == ".tif" else {"exif": exif}))
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # Pillow's transpositions
    upright = stored.transpose(Image.Transpose(turns[orientation])) if orientation > 1 else stored
    assert_same(path, upright, most=25)
    assert (probe(path).width, probe(path).height) == upright.size


def test_animations_begin_with_what_is_shown(tmp_path):
    path = tmp_path / "a.png"
    colours = [Image.new("RGB", (8, 8), name) for name in ("red", "lime", "blue")]
    colours[0].save(path, save_all=True, append_images=colours[1:], default_image=True, duration=1000)
    clip = open_clip(path)
    assert clip.frames[:, 0, 0].tolist() == [[0, 255, 0], [0, 0, 255]] and clip.duration == 2.0
    assert open_image(path).getpixel((0, 0)) == (0, 255, 0) and is_clip(path)


@needs_cases
def test_animation_case():
    clip = open_clip(CASES / "grey_and_apng" / "def.png")
    assert clip.frames[:, 0, 0].tolist() == [[0, 255, 0], [0, 0, 255]] and clip.duration == 2.0


# ---- broken metadata, broken pixels -----------------------------------------------------------------------------


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum or zlib.crc32(kind + body))


BAD_EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04abc\0\0\0\0\0"
"""An orientation that is a text."""


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"tEXt", b"Comment\0hello", checksum=1),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(5_000_000))),
        chunk(b"iCCP", b"name\0\0garbage"),
        chunk(b"eXIf", b"junk"),
        chunk(b"eXIf", BAD_EXIF),
        chunk(b"pHYs", b"\0"),
    ],
)
@pytest.mark.parametrize("is_behind", [False, True])
def test_a_png_s_metadata_cost_nothing(tmp_path, extra, is_behind):
    path = tmp_path / "m.png"
    corners().save(path)
    data = path.read_bytes()
    at = len(data) - 12 if is_behind else 33  # before IEND, or after IHDR
    path.write_bytes(data[:at] + extra + data[at:])
    assert_same(path, corners(), most=0)


@pytest.mark.parametrize("kind", [0xE1, 0xE2, 0xED, 0xFE])
def test_a_jpeg_s_metadata_and_missing_end_cost_nothing(tmp_path, kind):
    path = tmp_path / "m.jpg"
    corners().save(path, quality=95)
    data = path.read_bytes()
    starts = {
        0xE1: b"Exif\0\0" + BAD_EXIF,
        0xE2: b"ICC_PROFILE\0\1\1garbage",
        0xED: b"Photoshop 3.0\x008BIM\4",
        0xFE: b"x",
    }
    body = starts[kind]
    path.write_bytes(data[:2] + struct.pack(">BBH", 0xFF, kind, len(body) + 2) + body + data[2:-2])
    assert_same(path, corners())


def test_broken_exif_in_other_formats(tmp_path):
    for suffix in (".webp", ".tif"):
        corners().save(tmp_path / f"m{suffix}", **({"exif": b"Exif\0\0" + BAD_EXIF} if suffix == ".webp" else {}))
        assert_same(tmp_path / f"m{suffix}", corners())
    corners().save(tmp_path / "m.avif", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0")
    data = (tmp_path / "m.avif").read_bytes()
    assert b"MM\0*" in data
    (tmp_path / "m.avif").write_bytes(data.replace(b"MM\0*", b"junk"))
    assert_same(tmp_path / "m.avif", corners())


@needs_cases
@pytest.mark.parametrize("name", ["badexif.png", "bigtext.png", "crc.png", "noeoi.jpg", "text.jpg"])
def test_metadata_cases(name):
    path = CASES / "metadata" / name
    picture = np.asarray(open_image(path))
    assert picture.shape == (64, 96, 3) and 70 < picture.mean() < 150
    assert np.array_equal(picture, open_clip(path).frames[0])


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".avif"])
@pytest.mark.parametrize("is_progressive", [False, True])
def test_missing_pixels_are_an_error_in_plain_words(tmp_path, suffix, share, is_progressive):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    path = tmp_path / f"half{suffix}"
    Image.fromarray(noise).save(path, **({"progressive": True} if is_progressive and suffix == ".jpg" else {}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    for call in (open_image, open_clip, probe):
        with pytest.raises(MediaError, match=rf"half\{suffix}: c") as raised:
            call(path)
        assert not any(word in str(raised.value) for word in ("instance", "object", "NoneType", "unpack"))


# ---- HEIC -------------------------------------------------------------------------------------------------------


def box(kind: bytes, *inside: bytes) -> bytes:
    body = b"".join(inside)
    return struct.pack(">I", len(body) + 8) + kind + body


def heic(brand: bytes, *boxes: bytes) -> bytes:
    handler = box(b"hdlr", bytes(8), b"pict", bytes(13))
    return box(b"ftyp", brand, bytes(4), b"mif1") + box(b"meta", bytes(4), handler) + b"".join(boxes)


@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg", "photo.mp4", "photo"])
@pytest.mark.parametrize("brand", [b"heic", b"mif1", b"heix", b"isom", b"hevc"])
def test_heic_is_never_a_clip_and_refused_by_name_where_nothing_reads_it(tmp_path, monkeypatch, name, brand):
    path = tmp_path / name
    path.write_bytes(heic(brand, box(b"mdat", bytes(64))))
    imported = builtins.__import__

    def without(module, *rest):
        if module == "pillow_heif":
            raise ImportError(module)
        return imported(module, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert not is_clip(path)
    for call in (open_image, open_clip, probe):
        with pytest.raises(MediaError, match=r"photo.*HEIC.*pip install 'onethinker\[heic\]'"):
            call(path)


def test_a_sequence_that_plays_is_told_from_a_still_with_a_track_beside_it(tmp_path):
    path = tmp_path / "s.heic"
    for brand, expected in ((b"hevc", "sequence"), (b"msf1", "sequence"), (b"heic", "still"), (b"isom", None)):
        path.write_bytes(heic(brand, box(b"moov"), box(b"mdat", bytes(64))))
        assert heif.kind(path) == expected


@needs_cases
@pytest.mark.parametrize("name", ["photo.heic", "photo.jpg", "photo.mp4"])
def test_heic_case_is_read_whole_where_the_extra_is_installed(tmp_path, name):
    pytest.importorskip("pillow_heif", reason="the extra `heic` is not installed")
    path = tmp_path / name
    shutil.copy(CASES / "heic" / "photo43.heic", path)
    reference = Image.open(CASES / "heic" / "ref.png").convert("RGB")
    assert_same(path, reference, most=3)
    assert probe(path).kind == "image" and not is_clip(path)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(MediaError, match="cut off"):
        open_image(path)


# ---- HDR --------------------------------------------------------------------------------------------------------


def test_tone_mapping_keeps_what_is_dark_and_rolls_off_what_is_bright():
    nits = np.array([0, 1, 10, 50, 203, 1000.0])
    assert np.allclose(hdr.from_pq(np.array([0, 0.508078, 0.751827, 1])), [0, 100, 1000, 10_000], rtol=1e-4)  # BT.2100
    assert np.allclose(hdr.from_pq(hdr.to_pq(nits)), nits, atol=1e-6)
    rolled = hdr.roll_off(nits)
    assert np.allclose(rolled[:4], nits[:4]) and rolled[5] == pytest.approx(203) and (np.diff(rolled) > 0).all()
    coded = np.repeat(np.round(hdr.to_pq(nits) * 65535).astype(np.uint16)[None, :, None], 3, axis=2)
    screen = hdr.tone_map(coded, hdr.PQ)[0, :, 0]
    assert np.abs(screen[:4] - 255 * (nits[:4] / 203) ** (1 / 2.4)).max() <= 1 and screen[5] == 255
    hlg = hdr.tone_map(np.full((1, 1, 3), round(0.75 * 65535), np.uint16), hdr.HLG)
    light = 1000 * ((np.exp((0.75 - 0.55991073) / 0.17883277) + 0.28466892) / 12) ** 1.2  # 203 cd/m², BT.2408
    assert light == pytest.approx(203, abs=1)
    assert np.abs(hlg - 255 * (hdr.roll_off(np.array(light)) / 203) ** (1 / 2.4)).max() <= 1
