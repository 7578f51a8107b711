"""The colour of skin, computed from published spectra: how much red, green and blue light pigments leave over.

Absorption and scattering of epidermis and dermis follow S. L. Jacques, "Skin Optics" (Oregon Medical Laser Center News,
January 1998); haemoglobin follows the molar extinction table compiled by S. Prahl (omlc.org/spectra/hemoglobin);
colour-matching functions are the sums of Gaussians of Wyman, Sloan and Shirley (JCGT 2013); light is CIE D65. Layers
are joined by Kubelka and Munk's theory with Saunderson's correction. Knows nothing of faces.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float64]

WAVELENGTH_NM = np.arange(400.0, 701.0, 10.0)
# cm^-1 per mol/l at 400, 410 ... 700 nm
_OXY_HAEMOGLOBIN = np.array(
    [266232, 466840, 480360, 246072, 102580, 62816, 44480, 33209, 26629, 23684, 20933, 20035, 24202, 39957, 53236,
     43016, 32613, 44496, 50104, 14401, 3200, 1506, 942, 610, 442, 368, 320, 294, 278, 276, 290],
    np.float64,
)  # fmt: skip
_HAEMOGLOBIN = np.array(
    [223296, 303956, 407560, 528600, 413280, 103292, 23389, 16156, 14550, 16684, 20862, 25774, 31590, 39036, 46592,
     53412, 53788, 45072, 37020, 28324, 14677, 9444, 6510, 5149, 4345, 3750, 3227, 2795, 2408, 2052, 1794],
    np.float64,
)  # fmt: skip
_D65 = np.array(
    [82.75, 91.49, 93.43, 86.68, 104.86, 117.01, 117.81, 114.86, 115.92, 108.81, 109.35, 107.80, 104.79, 107.69, 104.41,
     104.05, 100.00, 96.33, 95.79, 88.69, 90.01, 89.60, 87.70, 83.29, 83.70, 80.03, 80.21, 82.28, 78.28, 69.72, 71.61]
)  # fmt: skip

MELANIN_RANGE = (0.01, 0.43)
"""Share of the epidermis that is melanosomes: Jacques gives 1.3-6.3 % for light, 11-16 % for moderate, 18-43 % for
dark skin."""
BLOOD_RANGE = (0.001, 0.09)
"""Share of the upper dermis that is blood: 0.2 % on average over the body, several per cent in cheeks and lips."""
_EPIDERMIS_CM = 0.006
_OBLIQUE_PATH = 1.25
"""Mean length of the way of diffuse light through a thin layer, over the layer's thickness. Diffuse light in an
unscattering layer would give 2; the epidermis scatters forwards and collimated light comes in at 1."""
_PATCHINESS = 0.9
"""Variance of the local pigment over its mean squared. Pigment lies in clumps, and light finds the gaps: without this
the formula's dark skin is far yellower than any that was measured. With a gamma distribution the mean is closed."""
_EPIDERMIS_BACKSCATTER = 0.02
_SATURATION = 0.72
_BLOOD_GRAMS_PER_LITRE = 150.0
_FRONT_REFLECTION = 0.028
_INNER_REFLECTION = 0.49
"""Share of diffuse light that the skin's surface (n = 1.4) throws back inwards."""
_TABLE = (48, 32)


def reflectance(melanin: Array, blood: Array) -> Array:
    """Diffuse reflectance of skin, gloss left out.

    Args:
        melanin: (...) share of melanosomes in the epidermis, see `MELANIN_RANGE`.
        blood: (...) share of blood in the dermis, see `BLOOD_RANGE`.

    Returns:
        (..., 31) at `WAVELENGTH_NM`, 0..1.
    """
    nm = WAVELENGTH_NM
    melanin, blood = melanin[..., None], blood[..., None]
    bare = 0.244 + 85.3 * np.exp(-(nm - 154.0) / 66.2)
    epidermis = melanin * 6.6e11 * nm**-3.33 + (1.0 - melanin) * bare
    molar = _SATURATION * _OXY_HAEMOGLOBIN + (1.0 - _SATURATION) * _HAEMOGLOBIN
    dermis = blood * 2.303 * molar * _BLOOD_GRAMS_PER_LITRE / 64500.0 + (1.0 - blood) * bare
    scattering = 2e5 * nm**-1.5 + 2e12 * nm**-4.0
    ratio = 2.0 * dermis / (0.75 * scattering)
    deep = 1.0 + ratio - np.sqrt(ratio**2 + 2.0 * ratio)
    depth = 2.0 * _OBLIQUE_PATH * epidermis * _EPIDERMIS_CM
    inside = deep * (1.0 + _PATCHINESS * depth) ** (-1.0 / _PATCHINESS)
    inside = inside + _EPIDERMIS_BACKSCATTER * (1.0 - inside)
    out: Array = (1.0 - _FRONT_REFLECTION) * (1.0 - _INNER_REFLECTION) * inside / (1.0 - _INNER_REFLECTION * inside)
    return out


def _lobe(peak_nm: float, below_nm: float, above_nm: float) -> Array:
    away = WAVELENGTH_NM - peak_nm
    lobe: Array = np.exp(-0.5 * (away / np.where(away < 0, below_nm, above_nm)) ** 2)
    return lobe


def linear_rgb(spectrum: Array) -> Array:
    """(..., 31) reflectance under D65 as linear sRGB (..., 3); a perfect white gives 1, 1, 1."""
    x = 1.056 * _lobe(599.8, 37.9, 31.0) + 0.362 * _lobe(442.0, 16.0, 26.7) - 0.065 * _lobe(501.1, 20.4, 26.2)
    y = 0.821 * _lobe(568.8, 46.9, 40.5) + 0.286 * _lobe(530.9, 16.3, 31.1)
    z = 1.217 * _lobe(437.0, 11.8, 36.0) + 0.681 * _lobe(459.0, 26.0, 13.8)
    matching = np.stack([x, y, z], 1) * _D65[:, None]
    to_rgb = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])
    white = to_rgb @ matching.sum(0)
    rgb: Array = (spectrum @ matching @ to_rgb.T) / white
    return rgb


def lab(rgb: Array) -> Array:
    """Linear sRGB (..., 3) as CIE L*a*b* (D65) (..., 3)."""
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    share = np.maximum(rgb @ to_xyz.T / to_xyz.sum(1), 0.0)
    root = np.where(share > 0.008856, np.cbrt(share), 7.787 * share + 16.0 / 116.0)
    x, y, z = root[..., 0], root[..., 1], root[..., 2]
    result: Array = np.stack([116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)], -1)
    return result


def rgb_of_lab(values: Array) -> Array:
    """CIE L*a*b* (D65) (..., 3) as linear sRGB (..., 3), clipped at 0."""
    y = (values[..., 0] + 16.0) / 116.0
    root = np.stack([y + values[..., 1] / 500.0, y, y - values[..., 2] / 200.0], -1)
    share = np.where(root > 0.2069, root**3, (root - 16.0 / 116.0) / 7.787)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    rgb: Array = (share * to_xyz.sum(1)) @ np.linalg.inv(to_xyz).T
    return np.maximum(rgb, 0.0)


def typology_degrees(values: Array) -> Array:
    """Individual typology angle (...) of L*a*b* (..., 3).

    Above 55 very light, 41 light, 28 intermediate, 10 tan, -30 brown, below dark (Chardon et al. 1991; Del Bino
    and Bernerd 2013).
    """
    angle: Array = np.degrees(np.arctan2(values[..., 0] - 50.0, values[..., 2]))
    return angle


def _axis(value: Tensor, bounds: tuple[float, float]) -> Tensor:
    low, high = bounds
    return (value.clamp(low, high) / low).log() / float(np.log(high / low))


@lru_cache(maxsize=4)
def _table(device: torch.device) -> Tensor:
    melanin = np.geomspace(*MELANIN_RANGE, _TABLE[0])
    blood = np.geomspace(*BLOOD_RANGE, _TABLE[1])
    rgb = linear_rgb(reflectance(*np.meshgrid(melanin, blood, indexing="ij")))
    return torch.tensor(rgb, dtype=torch.float32, device=device).permute(2, 0, 1)[None].contiguous()


def skin_rgb(melanin: Tensor, blood: Tensor) -> Tensor:
    """Linear sRGB float32 (..., 3) of skin by shares of melanosomes and blood (...), kept in their ranges."""
    place = torch.stack([_axis(blood, BLOOD_RANGE), _axis(melanin, MELANIN_RANGE)], -1) * 2.0 - 1.0
    looked = functional.grid_sample(
        _table(melanin.device), place.reshape(1, 1, -1, 2), align_corners=True, padding_mode="border"
    )
    return looked.reshape(3, -1).T.reshape(*melanin.shape, 3)
