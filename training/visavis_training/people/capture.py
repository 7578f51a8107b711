"""What cameras make of light: exposure, white balance, lens, sensor, sharpening, grading, JPEG and video compression.

One clip has one camera: its settings are drawn once per clip and used for the reference and for every driven frame,
while noise differs from frame to frame. Linear light in, 8-bit RGB out. Knows nothing of what is in the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.blurring import along_columns, along_rows
from visavis_training.people.chance import Chance, each
from visavis_training.people.fusing import fused
from visavis_training.people.lighting import white_of_kelvin

_JPEG_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61), (12, 12, 14, 19, 26, 58, 60, 55), (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62), (18, 22, 37, 56, 68, 109, 103, 77), (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101), (72, 92, 95, 98, 112, 100, 103, 99),
)  # fmt: skip
_JPEG_CHROMA_FLAT = 99
_MIDDLE_GREY = 0.18


@dataclass(frozen=True, slots=True)
class Camcorder:
    """Settings of C cameras, float32 (C,) unless said.

    `stops` exposure; `kelvin` the light it takes for white and `tint` its error to green; `blur_px` of focus and lens;
    `vignette` 0..1; `shot_noise`, `read_noise` in shares of white; `denoise` 0..1; `sharpen`; `contrast`, `saturation`
    around 1; `lift` of the blacks; `grade` (C, 3) gains; `quality` JPEG 1..100, over 100 for none; `bitrate` 0..1, how
    well a video codec that comes after kept detail, over 1 for none.
    """

    stops: Tensor
    kelvin: Tensor
    tint: Tensor
    blur_px: Tensor
    vignette: Tensor
    shot_noise: Tensor
    read_noise: Tensor
    denoise: Tensor
    sharpen: Tensor
    contrast: Tensor
    saturation: Tensor
    lift: Tensor
    grade: Tensor
    quality: Tensor
    bitrate: Tensor

    @classmethod
    def of(cls, chance: Chance, kelvin: Tensor, stops: Tensor) -> Camcorder:
        """Random cameras that look at light of `kelvin` (C,) and end at an exposure of `stops` (C,).

        Dim scenes get more noise: their exposure is bought with gain.
        """
        dim = (-stops).clamp(0.0, 2.0)
        good = chance.happens("good camera", 0.4)
        noisy = (1.0 - 0.75 * good) * (1.0 + 1.5 * dim)
        compressed = chance.uniform("compressed")
        return cls(
            stops=stops + chance.normal("stops", 0.0, 0.22),
            # automatic white balance goes most of the way to the light's own white, seldom all
            kelvin=(kelvin.log() + (math.log(6504.0) - kelvin.log()) * chance.uniform("balance", -0.06, 0.24)).exp(),
            tint=chance.normal("tint", 0.0, 0.012),
            blur_px=chance.uniform("blur") ** 2 * (1.15 - 0.6 * good) + 0.18,
            vignette=chance.uniform("vignette") ** 2 * 0.3,
            shot_noise=0.008 * noisy * chance.uniform("shot", 0.3, 1.5),
            read_noise=0.0025 * noisy * chance.uniform("read", 0.2, 1.5),
            denoise=chance.uniform("denoise", 0.0, 0.9),
            sharpen=chance.uniform("sharpen", 0.0, 0.9) * (1.0 - 0.5 * good),
            contrast=chance.normal("contrast", 1.16, 0.08),
            saturation=chance.normal("saturation", 1.03, 0.12).clamp(0.6, 1.4),
            lift=chance.normal("lift", -0.006, 0.009),
            grade=1.0 + chance.normal("grade", 0.0, 0.018, 3),
            quality=torch.where(compressed < 0.5, chance.uniform("quality", 45.0, 98.0), torch.full_like(dim, 101.0)),
            bitrate=torch.where(compressed > 0.65, chance.uniform("bitrate", 0.15, 0.95), torch.full_like(dim, 1.1)),
        )

    def rows(self, index: Tensor) -> Camcorder:
        """Cameras `index` (N,)."""
        return Camcorder(*(getattr(self, name)[index] for name in self.__slots__))


def to_srgb(linear: Tensor) -> Tensor:
    """Linear light to sRGB's curve; below 0 is cut, over 1 is kept."""
    value = linear.clamp(min=0.0)
    return torch.where(value <= 0.0031308, 12.92 * value, 1.055 * value.clamp(min=1e-7) ** (1 / 2.4) - 0.055)


def from_srgb(value: Tensor) -> Tensor:
    """The inverse of `to_srgb` on 0..1."""
    return torch.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055).clamp(min=0.0) ** 2.4)


def develop(linear: Tensor, camera: Camcorder) -> Tensor:
    """The camera's own curve: exposed and balanced linear light (N, H, W, 3) to display values 0..1.

    Middle grey stays where sRGB puts it; highlights roll off instead of clipping.
    """
    luminance = (linear * linear.new_tensor([0.2126, 0.7152, 0.0722])).sum(-1, keepdim=True)
    linear = luminance + each(camera.saturation)[..., None] * (linear - luminance)
    curved = linear.clamp(min=0.0)
    pivot = _MIDDLE_GREY * (curved.clamp(min=1e-6) / _MIDDLE_GREY) ** each(camera.contrast)[..., None]
    knee = 0.55
    rolled = torch.where(pivot < knee, pivot, 1.0 - (1.0 - knee) * torch.exp(-(pivot - knee) / (1.0 - knee)))
    shown = to_srgb(rolled) * each(camera.grade)
    lift = each(camera.lift)[..., None]
    return (shown + lift * (1.0 - shown)).clamp(0.0, 1.0)


def _separable(picture: Tensor, sigma_px: Tensor, reach: int) -> Tensor:
    """(N, 3, H, W) blurred by Gaussians of (N,) px."""
    taps = torch.arange(-reach, reach + 1, device=picture.device, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (taps / sigma_px.clamp(min=0.05)[:, None]) ** 2)
    kernel = (kernel / kernel.sum(1, keepdim=True))[:, None].expand(-1, picture.shape[1], -1)
    wide = functional.pad(picture, (reach,) * 4, mode="replicate")
    return along_columns(along_rows(wide, kernel), kernel)


def capture(linear: Tensor, camera: Camcorder, generator: torch.Generator | None = None, clean: bool = False) -> Tensor:
    """Photographs of N scenes.

    Args:
        linear: float32 (N, H, W, 3); a white card that faces the camera is 1.
        camera: of N pictures (`Camcorder.rows` repeats one camera over a clip).
        generator: on the pictures' device; where noise comes from.
        clean: leave out noise and compression: what a driven frame should look like beside a noisy reference.

    Returns:
        uint8 (N, H, W, 3).
    """
    white = white_of_kelvin(camera.kelvin)
    people, height, width, _ = linear.shape
    noise = None
    if not clean:
        noise = torch.randn((people, 3, height, width), device=linear.device, generator=generator)
    shown = _shown(linear, camera, white, noise)
    if not clean:
        shown = compressed(shown, camera.quality, camera.bitrate)
    return (shown.permute(0, 2, 3, 1) * 255.0 + 0.5).clamp(0, 255).to(torch.uint8)


@fused
def _shown(linear: Tensor, camera: Camcorder, white: Tensor, noise: Tensor | None) -> Tensor:
    """(N, 3, H, W), 0..1: what cameras show of light that has the colour `white` (N, 3), before any codec."""
    white = white * (1 + camera.tint[:, None] * white.new_tensor([-0.5, 1.0, -0.5]))
    white = white / (white * white.new_tensor([0.2126, 0.7152, 0.0722])).sum(-1, keepdim=True)
    picture = linear / each(white).clamp(min=0.05) * each(2.0**camera.stops)[..., None]
    picture = picture.permute(0, 3, 1, 2)
    glare = functional.avg_pool2d(picture.clamp(max=4.0), 16, ceil_mode=True)
    glare = functional.interpolate(glare, size=picture.shape[2:], mode="bilinear", align_corners=False)
    picture = 0.985 * _separable(picture.clamp(max=30.0), camera.blur_px, 4) + 0.015 * glare
    height, width = picture.shape[2:]
    y, x = torch.meshgrid(
        torch.linspace(-1, 1, height, device=picture.device),
        torch.linspace(-1, 1, width, device=picture.device),
        indexing="ij",
    )
    picture = picture * (1 - camera.vignette[:, None, None, None] * ((x * x + y * y) / 2) ** 1.4)
    if noise is not None:
        picture = _sensor(picture, camera, noise)
    shown = develop(picture.permute(0, 2, 3, 1), camera).permute(0, 3, 1, 2)
    soft = _separable(shown, torch.full_like(camera.blur_px, 0.9), 3)
    return (shown + camera.sharpen[:, None, None, None] * (shown - soft)).clamp(0.0, 1.0)


def _sensor(picture: Tensor, camera: Camcorder, noise: Tensor) -> Tensor:
    shot, read = camera.shot_noise[:, None, None, None], camera.read_noise[:, None, None, None]
    # a mosaic of colour filters, interpolated, leaves noise in blotches; denoising takes the fine part of it
    blotchy = _separable(noise, torch.full_like(camera.blur_px, 0.8), 3) * 1.9
    smooth = camera.denoise[:, None, None, None]
    spread = (shot**2 * picture.clamp(min=0.0) + read**2).sqrt()
    return picture + spread * (0.55 * noise * (1 - smooth) + 0.6 * blotchy * (1 - 0.7 * smooth))


def _cosines(device: torch.device) -> Tensor:
    k = torch.arange(8, device=device, dtype=torch.float32)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * math.pi / 16) * 0.5
    return torch.cat([basis[:1] / 2**0.5, basis[1:]])


def compressed(shown: Tensor, quality: Tensor, bitrate: Tensor) -> Tensor:
    """Pictures (N, 3, H, W), 0..1, after 8 x 8 cosine blocks have been rounded as JPEG and video codecs do.

    Args:
        shown: sRGB values.
        quality: float32 (N,), JPEG's 1..100; over 100 leaves the picture alone.
        bitrate: float32 (N,), 0..1, coarser blocks without fine detail, then smoothed; over 1 leaves it alone.
    """
    people, _, height, width = shown.shape
    to_ycc = shown.new_tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    ycc = torch.einsum("kc,nchw->nkhw", to_ycc, shown * 255.0)
    luma = ycc[:, :1] - 128.0
    chroma = functional.avg_pool2d(ycc[:, 1:], 2, ceil_mode=True)
    table = shown.new_tensor(_JPEG_LUMA)
    scale = torch.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0).clamp(0.02, 20.0)
    video = 0.25 + 2.6 * (1.0 - bitrate.clamp(0.0, 1.0)) ** 1.5

    def rounded(plane: Tensor, steps: Tensor) -> Tensor:
        """(N, C, H, W) with each block's cosines rounded to steps (N, 8, 8)."""
        rows, columns = plane.shape[2:]
        padded = functional.pad(plane, (0, -columns % 8, 0, -rows % 8), mode="replicate")
        blocks = padded.unfold(2, 8, 8).unfold(3, 8, 8)
        cosines = _cosines(plane.device)
        spectrum = cosines @ blocks @ cosines.T
        step = steps[:, None, None, None]
        spectrum = (spectrum / step).round() * step
        back = cosines.T @ spectrum @ cosines
        return back.permute(0, 1, 2, 4, 3, 5).reshape(padded.shape)[:, :, :rows, :columns]

    def pass_through(planes: tuple[Tensor, Tensor], factor: Tensor, flat: float) -> tuple[Tensor, Tensor]:
        fine = ((table * (1 - flat) + 26.0 * flat) * factor[:, None, None]).clamp(min=0.5)
        coarse = ((table.clamp(max=_JPEG_CHROMA_FLAT) * 1.4 + 8.0) * factor[:, None, None]).clamp(min=0.5)
        return rounded(planes[0], fine), rounded(planes[1], coarse)

    planes = (luma, chroma)
    for chosen, factor, flat in ((quality <= 100, scale, 0.0), (bitrate <= 1, video, 0.35)):
        if not chosen.is_cuda and not bool(chosen.any()):  # a GPU would have to be waited for
            continue
        after = pass_through(planes, factor, flat)
        keep = chosen[:, None, None, None]
        planes = (torch.where(keep, after[0], planes[0]), torch.where(keep, after[1], planes[1]))
    ring = bitrate[:, None, None, None] <= 1
    deblocked = _separable(planes[0], torch.full_like(bitrate, 0.45), 2)
    y = torch.where(ring, deblocked, planes[0])
    up = functional.interpolate(planes[1], size=(height, width), mode="bilinear", align_corners=False)
    untouched = ((quality > 100) & (bitrate > 1))[:, None, None, None]
    rgb = torch.einsum("ck,nkhw->nchw", torch.linalg.inv(to_ycc), torch.cat([y + 128.0, up], 1)) / 255.0
    return torch.where(untouched, shown, rgb).clamp(0.0, 1.0)
