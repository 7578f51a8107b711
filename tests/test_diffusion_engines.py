"""The same window is the same picture on every engine: networks of any weights, and those that ship."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from visavis_models.diffusion.engine_networks import PARTS, EngineNetworks, networks_ship, shipped_files
from visavis_models.diffusion.graph_shapes import axis_lengths, graphs_of, shapes
from visavis_models.diffusion.maps import MAPS
from visavis_models.diffusion.sizes import COMPACT, SIZES, RendererSize
from visavis_models.diffusion.window_networks import Features, Told
from visavis_models.engines import ENGINE_KINDS, open_engine
from visavis_training.renderer.sample_windows import likeness_db, sample_crops

pytestmark = pytest.mark.weights
LEAST_PSNR_DB = 40.0


@pytest.fixture(scope="module")
def networks() -> Any:
    """Trained by nobody, but with no part that is silent."""
    torch = pytest.importorskip("torch")
    from visavis_models.diffusion.networks.renderer_networks import RendererNetworks

    made, generator = RendererNetworks(COMPACT), torch.Generator().manual_seed(3)
    with torch.no_grad():
        for weight in made.parameters():
            scale = 0.3 if weight.dim() < 2 else weight[0].numel() ** -0.5
            # What is stored in 16 bits is what is stored: rounding is not what is tested here.
            weight.copy_((torch.randn(weight.shape, generator=generator) * scale).half())
        # Pictures hang on latents, as trained ones do.
        made.decoder.at_eighth.join.weight[:, :16] *= 8
        for grow in (made.decoder.to_quarter, made.decoder.to_half):
            grow.mix.weight *= 4
    return made.eval()


@pytest.fixture(scope="module")
def files(networks: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("onnx")
    from visavis_training.renderer.export import export

    return export(networks, tmp_path_factory.mktemp("graphs"))


def drawn(part: str, lengths: dict[str, int], seed: int = 0) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    dice = np.random.default_rng(seed)
    given = {
        name: dice.standard_normal(shape).astype(np.float32)
        for name, shape in shapes(graphs_of(COMPACT)[part].inputs, lengths).items()
    }
    if part == "denoiser":
        given["time"] = dice.random(given["time"].shape, dtype=np.float32)
        given["known"] = (given["known"] > 0).astype(np.float32)
    if part == "decoder":
        given["maps"] = (given["maps"] > 0.5).astype(np.float32)
        eye = given["maps"].shape[2:] == COMPACT.eye_px
        for name in ("lips", "mouth") if eye else ("lid_motion",):  # an eye's crop has no lips, a mouth's no lids
            given["maps"][:, MAPS[name]] = 0
    return given


@pytest.mark.parametrize("kind", ENGINE_KINDS)
@pytest.mark.parametrize("part", PARTS)
def test_graphs_compute_what_training_computes_in_any_shape(
    networks: Any, files: dict[str, Path], part: str, kind: str
) -> None:
    from visavis_models.diffusion.networks.torch_networks import TorchNetworks

    truth, engine = TorchNetworks(networks), open_engine(files[part], kind)
    for crop_px, avatars, new, shown in ((COMPACT.mouth_px, 1, 2, 2), (COMPACT.eye_px, 3, 5, 1)):
        given = drawn(part, axis_lengths(COMPACT, crop_px, avatars, new, shown))
        got = engine.run(given)
        match part:
            case "appearance":
                wanted = {"tokens": truth.appearance(given["reference"])}
            case "stem":
                found = truth.stem(given["maps"])
                wanted = {name: getattr(found, name) for name in ("half", "quarter", "eighth")}
            case "denoiser":
                latents, time = given.pop("latents"), given.pop("time")
                wanted = {"velocity": truth.velocity(latents, time, Told(**given))}
            case _:
                features = Features(given["half"], given["quarter"], given["eighth"])
                wanted = {"made": truth.decode(given["latents"], features, given["maps"])}
        assert set(got) == set(wanted)
        for name, array in wanted.items():
            assert got[name].shape == array.shape
            assert np.abs(got[name] - array).max() < 0.03 * array.std(), name
            assert np.square(got[name] - array).mean() ** 0.5 < 2e-3 * array.std(), name


@pytest.mark.parametrize(("steps", "new_frames"), [(1, 4), (2, 2)])
def test_the_same_window_is_the_same_picture_on_every_engine(
    networks: Any, files: dict[str, Path], steps: int, new_frames: int
) -> None:
    from visavis_models.diffusion.networks.torch_networks import TorchNetworks

    wanted = sample_crops(TorchNetworks(networks), steps, new_frames)
    assert set(wanted) == {"mouth", "left_eye"}
    for crops, cover in wanted.values():
        assert cover.max() > 0.5 and crops.std() > 0.1, "a window in which nothing is generated proves nothing"
    for kind in ENGINE_KINDS:
        made = sample_crops(EngineNetworks(COMPACT, tuple(files[part] for part in PARTS), kind), steps, new_frames)
        alike = likeness_db(made, wanted)
        assert min(alike.values()) >= LEAST_PSNR_DB, f"{kind}: {alike}"


def test_other_weights_are_another_picture(networks: Any, files: dict[str, Path]) -> None:
    """The measure can fail: a little less of the denoiser's answer is another answer."""
    from visavis_models.diffusion.networks.torch_networks import TorchNetworks

    wanted = sample_crops(TorchNetworks(networks), windows=1)
    leave = networks.denoiser.leave.weight.data
    leave *= 0.97
    try:
        made = sample_crops(TorchNetworks(networks), windows=1)
    finally:
        leave /= 0.97
    assert likeness_db(made, wanted)["mouth"] < LEAST_PSNR_DB


@pytest.mark.parametrize("size", SIZES.values(), ids=lambda size: size.name)
def test_networks_that_ship_draw_the_same_on_every_engine(size: RendererSize) -> None:
    if not networks_ship(size):
        pytest.skip(f"no {size.name} renderer ships")
    files = shipped_files(size)
    for part, file in zip(PARTS, files, strict=True):
        given = shapes(graphs_of(size)[part].inputs, axis_lengths(size, size.eye_px, 1, 2, 2))
        open_engine(file, "onnxruntime").run({name: np.zeros(shape, np.float32) for name, shape in given.items()})
    windows = 2 if size is COMPACT else 1  # `base` is no network for a CPU
    one, other = (
        sample_crops(EngineNetworks(size, files, kind), new_frames=2, windows=windows) for kind in ENGINE_KINDS
    )
    assert min(likeness_db(one, other).values()) >= LEAST_PSNR_DB
