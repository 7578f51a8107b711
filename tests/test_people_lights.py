"""Lights that turn: the same scene seen by somebody who turned the other way."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="training needs torch; the product does not")

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

from visavis_training.people.chance import Chance  # noqa: E402
from visavis_training.people.lighting import sample_lights  # noqa: E402
from visavis_training.renderer.crop_stream import _turned  # noqa: E402

pytestmark = pytest.mark.unit


def rotations(count: int) -> Tensor:
    matrix, _ = torch.linalg.qr(torch.randn(count, 3, 3, generator=torch.Generator().manual_seed(3)))
    result: Tensor = matrix * torch.linalg.det(matrix)[:, None, None]
    return result


def test_turned_light_falls_on_turned_surfaces_as_before() -> None:
    lights, rotation = sample_lights(Chance(torch.arange(6))), rotations(6)
    normal = torch.nn.functional.normalize(torch.randn(6, 40, 3, generator=torch.Generator().manual_seed(4)), dim=-1)
    after = torch.einsum("bxy,bny->bnx", rotation, normal)
    turned = lights.turned(rotation)
    assert torch.allclose(turned.irradiance(after), lights.irradiance(normal), atol=1e-4)
    assert torch.allclose(turned.mirrored(after, 0.1), lights.mirrored(normal, 0.1), atol=2e-3)
    assert (turned.irradiance(normal) - lights.irradiance(normal)).abs().max() > 0.02, "it did turn"


def test_a_heads_turn_is_read_off_its_landmarks() -> None:
    head = torch.randn(2, 1, 478, 3, generator=torch.Generator().manual_seed(5))
    rotation = rotations(2)[:, None]
    marks = torch.cat([head, head @ rotation.transpose(-1, -2) + 0.3], 1)
    assert torch.allclose(_turned(marks), rotation, atol=1e-4)
