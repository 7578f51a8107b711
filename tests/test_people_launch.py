"""How kernels of the people factory reach a GPU: compiled, launched with what they take, and the same bits there."""

from __future__ import annotations

import ctypes
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs torch; the product does not")
if shutil.which("g++") is None:
    pytest.skip("the rasteriser's CPU code is made by g++", allow_module_level=True)


from people_shapes import sheet  # noqa: E402
from visavis_models.errors import EngineError  # noqa: E402
from visavis_training.people import chance, compiled_kernels, rasteriser  # noqa: E402
from visavis_training.people.compiled_kernels import CudaKernels, cpu_library, gpu_code  # noqa: E402
from visavis_training.people.rasteriser import (  # noqa: E402
    SOURCE,
    Neighbours,
    coverage,
    interpolate,
    rasterise,
    sight,
    vertex_normals,
    vote,
)

pytestmark = pytest.mark.unit


def test_a_missing_compiler_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError) as raised:
        cpu_library(SOURCE)
    assert raised.value.code == "no_compiler"
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    broken = tmp_path / "broken.cu"
    broken.write_text("int main( {")
    with pytest.raises(EngineError) as raised:
        cpu_library(broken)
    assert raised.value.code == "compile_failed"
    assert not list((tmp_path / "visavis" / "kernels").iterdir())


class PretendedDriver:
    """Stands for libcuda: unpacks what a launch hands over as the GPU would, then runs the CPU's kernel."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL(str(cpu_library(SOURCE)))
        self.names: list[bytes] = []
        self.launches: list[tuple[str, int, int, int]] = []
        self.depth = 0

    def cuCtxGetCurrent(self, context: Any) -> int:
        context._obj.value = 0x1234
        return 0

    def cuCtxPushCurrent_v2(self, context: Any) -> int:
        assert context.value == 0x1234
        self.depth += 1
        return 0

    def cuCtxPopCurrent_v2(self, context: Any) -> int:
        self.depth -= 1
        return 0

    def cuModuleLoadData(self, module: Any, code: bytes) -> int:
        return 0 if code == b"cubin" else 200

    def cuModuleGetFunction(self, function: Any, module: Any, name: bytes) -> int:
        self.names.append(name)
        function._obj.value = len(self.names)
        return 0 if hasattr(self.library, name.decode()) else 500

    def cuLaunchKernel(self, function: Any, *rest: Any) -> int:
        assert self.depth == 1
        *shape, stream, places, extra = rest
        name = self.names[function.value - 1].decode()
        text = SOURCE.read_text()
        header = text[text.index(f"KERNEL {name}(") :].split("(", 1)[1].split(") {", 1)[0]
        for macro in ("MESH", "LIMITS"):
            header = header.replace(macro, text.split(f"#define {macro} ", 1)[1].split("\n", 1)[0])
        values: list[Any] = []
        for place, kind in zip(places, header.split(","), strict=True):
            which: Any = ctypes.c_void_p if "*" in kind else ctypes.c_int64 if "long long" in kind else ctypes.c_int32
            which = ctypes.c_float if "float" in kind and "*" not in kind else which
            values.append(which.from_address(place))
        self.launches.append((name, shape[0].value, shape[3].value, stream.value))
        getattr(self.library, name)(*values)
        return 0


def test_launches_hand_the_gpu_what_the_kernels_take(monkeypatch: pytest.MonkeyPatch) -> None:
    driver = PretendedDriver()
    device = torch.device("cpu")
    gpu = CudaKernels(b"cubin", device, driver, lambda: 77)
    points, triangles = sheet(2, on_centres=False)
    points = points * torch.tensor([4.0, 4.0, 1.0])
    neighbours = Neighbours.of(triangles, points.shape[1])

    def everything() -> list[Any]:
        shown = rasterise(points, triangles, 90, 80)
        queries = torch.rand(1, 50, 3, generator=torch.Generator().manual_seed(1)) * torch.tensor([90.0, 80.0, 9.0])
        seen = sight(queries, points, triangles, shown)
        normals = vertex_normals(points, triangles, neighbours)
        covered = coverage(points * 0.6, triangles, 90, 80)
        votes = vote(points[0].abs(), triangles, shown, 9)
        return [shown.triangle, shown.depth, interpolate(points, triangles, shown), seen, normals, covered, votes]

    expected = everything()
    monkeypatch.setitem(compiled_kernels._made, (rasteriser.SOURCE, device), gpu)
    for found, wanted in zip(everything(), expected, strict=True):
        assert torch.equal(found, wanted)
    assert {name for name, *_ in driver.launches} == {
        "nearest_small", "nearest_large", "resolve", "look_for", "turn_outwards", "cover_small", "cover_large",
        "share_covered", "gather", "vote",
    }  # fmt: skip
    shapes = {name: (blocks, threads) for name, blocks, threads, _ in driver.launches}
    assert shapes["resolve"] == (math.ceil(90 * 80 / 256), 256)
    assert shapes["nearest_large"] == (len(triangles), 256)
    assert {stream for *_, stream in driver.launches} == {77}
    with pytest.raises(EngineError, match="cuModuleLoadData failed"):
        CudaKernels(b"junk", device, driver, lambda: 0)
    with pytest.raises(EngineError, match="no_such_kernel"):
        gpu.launch("no_such_kernel", 1)
    with pytest.raises(ValueError, match="not contiguous"):
        gpu.launch("share_covered", 1, torch.zeros(3, 4).T, None)


@pytest.mark.parametrize(("source", "count"), [(SOURCE, 10), (chance.SOURCE, 5)], ids=("rasteriser", "chance"))
def test_the_gpu_code_compiles(source: Path, count: int) -> None:
    if compiled_kernels._rtc_library() is None and shutil.which("nvcc") is None:
        pytest.skip("neither NVRTC nor nvcc is installed")
    code = gpu_code(source, (9, 0))
    assert code[:4] == b"\x7fELF"
    text = source.read_text()
    names = [part.split("(")[0] for part in text.split("\nKERNEL ")[1:]]
    assert len(names) == count
    for name in names:
        assert name.encode() in code


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_the_same_bits() -> None:
    points, triangles = sheet(2, on_centres=False)
    points = torch.cat([points, points * 0.8]) * torch.tensor([4.0, 4.0, 1.0])
    results = []
    for device in ("cpu", "cuda"):
        p, t = points.to(device), triangles.to(device)
        shown = rasterise(p, t, 90, 80)
        queries = p[:, :40] + 0.3
        seen = sight(queries, p, t, shown)
        normals = vertex_normals(p, t, Neighbours.of(t, p.shape[1]))
        drawn = torch.where(torch.arange(len(t), device=t.device)[:, None] % 3 > 0, t, -1)
        fewer = vertex_normals(p, drawn, Neighbours.of(t, p.shape[1]))
        results.append([*_parts(shown), interpolate(p, t, shown), seen, normals, fewer, coverage(p, t, 90, 80)])
    for found, wanted in zip(*results, strict=True):
        assert torch.equal(found.cpu(), wanted.cpu())


def _parts(shown: rasteriser.Fragments) -> list[Any]:
    return [shown.triangle, shown.weights, shown.depth]
