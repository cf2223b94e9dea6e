"""Tone mapping: frames of HDR video (PQ and HLG) as an SDR screen shows them.

The steps and constants are those of the ITU: the transfer functions of BT.2100-2 (PQ; HLG with its system gamma of 1.2
for a screen of 1000 cd/m²), the roll-off of BT.2390-11 § 5.4 (EETF) from 1000 cd/m² to 203, which BT.2408 names as SDR
white, the primaries of BT.2087 and the screen gamma 2.4 of BT.1886. Below the knee luminance is kept; brighter light is
compressed instead of clipped. A clip's own mastering data are not read.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18
"""Transfer characteristics as ITU-T H.273 numbers them."""

_PEAK, _WHITE = 1000.0, 203.0  # cd/m²
_M1, _M2, _C1, _C2, _C3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])
_BT709_FROM_BT2020 = np.array([[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]])


def tone_map(coded: NDArray[np.uint16], transfer: int) -> NDArray[np.uint8]:
    """(H, W, 3) R'G'B' of BT.2020 primaries in PQ or HLG, 0–65535 → (H, W, 3) R'G'B' of BT.709, 0–255."""
    signal = coded.astype(np.float64) / 65535
    light = from_pq(signal) if transfer == PQ else _from_hlg(signal)  # cd/m²
    luminance = np.maximum(light @ _LUMINANCE, 1e-6)[..., None]
    mapped = light * (roll_off(luminance) / luminance)
    screen = np.clip(mapped @ _BT709_FROM_BT2020.T / _WHITE, 0, 1) ** (1 / 2.4)
    return np.round(screen * 255).astype(np.uint8)


def from_pq(signal: np.ndarray) -> np.ndarray:
    """PQ signal 0–1 → cd/m² (the EOTF of BT.2100 table 4)."""
    power = np.clip(signal, 0, 1) ** (1 / _M2)
    return 10_000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1)


def to_pq(light: np.ndarray) -> np.ndarray:
    """cd/m² → PQ signal 0–1, the inverse of `from_pq`."""
    power = (np.clip(light, 0, 10_000) / 10_000) ** _M1
    return ((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2


def _from_hlg(signal: np.ndarray) -> np.ndarray:
    """HLG signal 0–1 → cd/m² on a screen of 1000 (inverse OETF and OOTF of BT.2100 table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    return _PEAK * np.maximum(scene @ _LUMINANCE, 1e-9)[..., None] ** 0.2 * scene


def roll_off(luminance: np.ndarray) -> np.ndarray:
    """cd/m² up to 1000 → cd/m² up to 203: the same below the knee, above it a Hermite spline in PQ (BT.2390 EETF)."""
    source = to_pq(np.array(_PEAK))
    top = to_pq(np.array(_WHITE)) / source
    knee = 1.5 * top - 0.5
    x = np.clip(to_pq(luminance) / source, 0, 1)
    t = (x - knee) / (1 - knee)
    spline = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (-2 * t**3 + 3 * t**2) * top
    return from_pq(np.where(x < knee, x, spline) * source)
