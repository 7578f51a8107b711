"""The renderer's networks: what windows may be made of, what must not matter, and what exported files compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis_models.diffusion.flow_times import steps_of
from visavis_models.diffusion.maps import MAP_CHANNELS, MAPS, REFERENCE_CHANNELS, REFERENCE_MAPS
from visavis_models.diffusion.sizes import COMPACT, MOTION_FRAMES, MOTION_VALUES, SIZES, RendererSize

torch = pytest.importorskip("torch")

from visavis_models.diffusion.networks.autoencoder import LatentDecoder, LatentEncoder, Stem, unit_latents  # noqa: E402
from visavis_models.diffusion.networks.denoiser import AppearanceTokens, Denoiser  # noqa: E402
from visavis_models.diffusion.networks.flow import flowed, noised  # noqa: E402

pytestmark = pytest.mark.unit
SMALL = replace(
    COMPACT, width=32, heads=2, stem=(8, 8, 16), decoder=(16, 16, 8), decoder_depth=(1, 1, 1), encoder=(8, 8, 16)
)


def stirred(module: Any) -> Any:  # layers that begin at zero would hide what they do
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * (0.3 / max(weight[0].numel(), 1) ** 0.5))
    return module.eval()


def told(frames: int, people: int = 2, seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Any:
        return torch.randn(*shape, generator=generator)

    return {
        "latents": draw(people, frames, 16, 6, 8), "time": torch.rand(people, frames, generator=generator),
        "eighth": draw(people, frames, SMALL.stem[2], 6, 8),
        "motion": draw(people, frames, MOTION_FRAMES, MOTION_VALUES),
        "shade": draw(people, 3), "tokens": draw(people, 12, SMALL.width),
        "shown": draw(people, 2, 16, 6, 8), "shown_eighth": draw(people, 2, SMALL.stem[2], 6, 8),
        "known": torch.ones(people, 2),
    }  # fmt: skip


def test_maps_follow_one_another_without_holes() -> None:
    for layout, count in ((MAPS, MAP_CHANNELS), (REFERENCE_MAPS, REFERENCE_CHANNELS)):
        ends = [part.stop for part in layout.values()]
        assert [part.start for part in layout.values()] == [0, *ends[:-1]] and ends[-1] == count


@pytest.mark.parametrize("size", SIZES.values(), ids=lambda size: size.name)
def test_each_size_divides_as_it_must(size: RendererSize) -> None:
    for height, width in (size.mouth_px, size.eye_px):
        assert height % (8 * size.token_pool) == 0 and width % (8 * size.token_pool) == 0
    assert size.width % size.heads == 0 and set(size.blocks) == set("csxt")


def test_latents_have_unit_scale_whatever_the_picture() -> None:
    encode = stirred(LatentEncoder(SMALL))
    picture = torch.rand(2, 3, 48, 64) * 2 - 1
    for scale in (1.0, 0.05):
        power = encode(picture * scale).square().mean(1)
        assert torch.allclose(power, torch.ones_like(power), atol=1e-3)


def test_decoder_keeps_the_driven_photo_when_it_adds_nothing() -> None:
    decode, stem = LatentDecoder(SMALL).eval(), Stem(MAP_CHANNELS, SMALL.stem).eval()
    torch.nn.init.zeros_(decode.out.weight)
    torch.nn.init.zeros_(decode.out.bias)
    maps = torch.rand(2, MAP_CHANNELS, 48, 64) * 2 - 1
    made = decode(unit_latents(torch.randn(2, 16, 6, 8)), stem(maps), maps)
    assert torch.equal(made[:, :3], maps[:, MAPS["warped"]])


def test_windows_of_any_length_and_frames_that_hear_one_another() -> None:
    denoise = stirred(Denoiser(SMALL))
    with torch.no_grad():
        for frames in (1, 3, 20):
            assert denoise(**told(frames)).shape == (2, frames, 16, 6, 8)
        before = told(4)
        for name in ("latents", "shown", "shown_eighth"):
            after = {**before, name: before[name].clone()}
            after[name][:, 0] += 1
            change = (denoise(**after) - denoise(**before)).abs().amax((0, 2, 3, 4))
            assert (change > 1e-4).all(), f"one frame's {name} must be heard by all new ones"


def test_frames_that_were_not_shown_are_not_heard() -> None:
    denoise, given = stirred(Denoiser(SMALL)), told(3)
    given["known"] = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    with torch.no_grad():
        before = denoise(**given)
        other = {**given, "shown": given["shown"].clone()}
        other["shown"][0, 0] += 5
        other["shown"][1] -= 5
        assert torch.allclose(denoise(**other), before, atol=1e-5)
        none = {**given, "shown": given["shown"][:, :0], "shown_eighth": given["shown_eighth"][:, :0]}
        none["known"] = given["known"][:, :0]
        assert torch.allclose(denoise(**none)[1], before[1], atol=1e-5)


def test_people_of_a_batch_do_not_hear_one_another() -> None:
    denoise, both = stirred(Denoiser(SMALL)), told(3)
    with torch.no_grad():
        together = denoise(**both)
        alone = denoise(**{name: value[1:] for name, value in both.items()})
    assert torch.allclose(together[1:], alone, atol=1e-5)


@pytest.mark.parametrize("name", ["motion", "shade", "tokens", "eighth", "time", "shown"])
def test_all_that_the_denoiser_is_told_matters(name: str) -> None:
    denoise, before = stirred(Denoiser(SMALL)), told(2)
    with torch.no_grad():
        other = {**before, name: told(2, seed=1)[name]}
        assert (denoise(**other) - denoise(**before)).abs().max() > 1e-4


def test_wrong_shapes_are_named() -> None:
    denoise, given = Denoiser(SMALL), told(2)
    with pytest.raises(ValueError, match="motion"):
        denoise(**{**given, "motion": given["motion"][:, :1]})
    with pytest.raises(ValueError, match="features"):
        denoise(**{**given, "eighth": given["eighth"][..., :4]})
    with pytest.raises(ValueError, match="known"):
        denoise(**{**given, "known": given["known"][:, :1]})
    with pytest.raises(ValueError, match="picture"):
        LatentEncoder(SMALL)(torch.zeros(1, 3, 20, 64))


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_a_straight_flow_arrives_in_any_number_of_steps(steps: int) -> None:
    clean, noise = unit_latents(torch.randn(2, 3, 16, 6, 8)), torch.randn(2, 3, 16, 6, 8)

    def velocity(latents: Any, time: Any) -> Any:
        assert time.shape == (2, 3) and latents.shape == noise.shape
        return clean - noise

    assert torch.allclose(flowed(velocity, noise, steps), clean, atol=1e-4)
    assert torch.allclose(noised(clean, noise, torch.ones(2, 3)), clean) and steps_of(steps)[-1] == 1.0


@pytest.mark.filterwarnings("ignore")  # of torch's exporter
def test_exported_networks_compute_the_same(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    denoise, tokens = stirred(Denoiser(SMALL)), stirred(AppearanceTokens(SMALL))
    given = {**told(3), "tokens": tokens(torch.rand(2, REFERENCE_CHANNELS, 48, 64)).detach()}
    file = tmp_path / "denoiser.onnx"
    names = list(given)
    with torch.no_grad():
        want = denoise(**given).numpy()
        torch.onnx.export(denoise, tuple(given.values()), str(file), input_names=names, output_names=["velocity"],
                          dynamo=False, opset_version=18)  # fmt: skip
    got = onnxruntime.InferenceSession(str(file)).run(None, {name: given[name].numpy() for name in names})[0]
    assert np.abs(got - want).max() < 1e-4
