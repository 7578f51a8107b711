"""Caps, beanies, brimmed hats and headscarves shaped over a person's own head, and the cloth they are made of.

A crown of rings round the head's upright axis, down to the rim; peaks, brims and drapes hang on it. Knows nothing of
who wears which.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from visavis_training.people.anatomy import Anatomy
from visavis_training.people.chance import Chance, each, noise, step
from visavis_training.people.hairdressing import Heads, Salon
from visavis_training.people.hat_styles import HATS, Hat
from visavis_training.people.head_shell import MIDDLE, HeadShell
from visavis_training.people.sampling import Identity
from visavis_training.people.skin_textures import Person
from visavis_training.people.worn import Things, kind
from visavis_training.people.worn_shading import Spots

_RINGS, _RAYS = 14, 44
_PEAK_ROWS, _BRIM_ROWS, _DRAPE_ROWS = 5, 4, 9
CROWN, FLAT, DRAPE = 0.0, 0.5, 1.0
"""What `texture`'s random number says of a piece."""

Mesh = tuple[Tensor, Tensor, Tensor]
"""Points (B, rows, columns, 3), which rows of the grid are worn (B,), and the piece's number as a float."""


def wear_hat(anatomy: Anatomy, neutral: Tensor, identity: Identity, person: Person) -> Things:
    """The hats of B people.

    Args:
        anatomy: of everybody.
        neutral: float32 (B, V, 3) of `Anatomy.shape`.
        identity: who they are.
        person: how they look.
    """
    salon = Salon.of(anatomy)
    heads = Heads.of(identity.seeds, identity.age_years, identity.male, identity.origins, person.melanin)
    shell = HeadShell.of(anatomy, salon.topology, neutral)
    return make_hat(shell, heads.hat, heads.chance)


def make_hat(shell: HeadShell, hat: Hat, chance: Chance) -> Things:
    """Hats of B people as things to wear."""
    crown, scarf = _crown(shell, hat, chance), hat.scarf
    named = {name: hat.kind == HATS.index(name) for name in HATS}
    pieces = [
        (crown, (hat.kind > 0) & ~scarf, CROWN),
        (_flat(shell, hat, chance, crown), named["cap"] | named["brimmed"], FLAT),
        (_hood(shell, chance), scarf, DRAPE),
        (_drape(shell, chance), scarf, DRAPE),
    ]
    made = [_grid_things(points, worn, number, shell) for points, worn, number in pieces]
    whole = Things.together(made)
    return Things(
        whole.points, whole.triangles, whole.kind, whole.texture, whole.tangent, whole.rigid,
        {"hat": hat_coat(hat, chance)},
    )  # fmt: skip


def _turns(device: torch.device) -> Tensor:
    """(rays + 1,) radians round the head from the front, the last as the first."""
    return torch.linspace(-math.pi, math.pi, _RAYS + 1, device=device)


def _way(polar: Tensor, turn: Tensor) -> Tensor:
    """(..., 3) unit directions of angles from straight up and round from the front."""
    level = polar.sin()
    return torch.stack([level * turn.sin(), -polar.cos() * torch.ones_like(turn), -level * turn.cos()], -1)


def _radius(shell: HeadShell, way: Tensor) -> Tensor:
    """(B, ...) distance of the skin along unit directions (B, ..., 3), ears bridged by what lies beside them."""
    people = len(shell.middle)
    far = shell.middle[:, None] + 3.0 * way.reshape(people, -1, 3)
    return shell.skin_radius(far)[0].reshape(way.shape[:-1])


def _rim_polar(shell: HeadShell, hat: Hat, turn: Tensor) -> Tensor:
    """(B, rays + 1) angle from straight up of the rim."""
    people = len(hat.kind)
    around = turn.abs().expand(people, -1)
    rim = hat.rim(around).clamp(min=-1.1)
    drop = (rim - MIDDLE[1]) * shell.scale[:, 1:2]
    polar = torch.full_like(drop, 1.2)
    for _ in range(4):
        reach = _radius(shell, _way(polar, turn.expand(people, -1)))
        polar = torch.acos((-drop / reach).clamp(-0.9, 0.95))
    return polar


def _crown(shell: HeadShell, hat: Hat, chance: Chance) -> Tensor:
    """(B, rings + 1, rays + 1, 3) from the crown to the rim."""
    turn = _turns(hat.kind.device)
    polar_rim = _rim_polar(shell, hat, turn)
    share = torch.linspace(0.0, 1.0, _RINGS + 1, device=turn.device)
    polar = polar_rim[:, None] * share[:, None]
    way = _way(polar, turn.expand_as(polar))
    beanie = each(hat.kind == HATS.index("beanie"), 2).float()
    brimmed = each(hat.kind == HATS.index("brimmed"), 2).float()
    cap = each(hat.kind == HATS.index("cap"), 2).float()
    skin = _radius(shell, way)
    # cloth spans hollows: no ring lies far inside its neighbours
    skin = torch.maximum(skin, 0.5 * (skin.roll(2, 2) + skin.roll(-2, 2)))
    down = share[:, None]
    top = step(down, 0.9, 0.0)
    cuff = step(down, 0.70, 0.73) * beanie
    slouch = each(chance.uniform("beanie slouch", 0.0, 0.45), 2) * step(way[..., 2], -0.6, 0.9) * top
    lift = beanie * (0.08 * top + slouch + 0.035 * cuff)
    lift = lift + cap * (0.12 * top * step(way[..., 2], 0.4, -0.6) + 0.05 * top)
    # a crown of felt rises straight from the rim and is pinched on top
    tall = each(chance.uniform("hat tall", 0.20, 0.42), 2)
    pinch = 0.12 * torch.exp(-((way[..., 0] / 0.18) ** 2)) * step(down, 0.35, 0.1)
    lift = lift + brimmed * (tall * step(down, 1.0, 0.55) - pinch)
    lumps = 0.012 * noise(chance, "hat lumps", way, 4.0, 2) * (1 - 0.7 * cap)
    reach = skin + each(hat.offset(), 2) + lift + lumps * step(down, 0.0, 0.2)
    return shell.middle[:, None, None] + way * reach[..., None]


def _flat(shell: HeadShell, hat: Hat, chance: Chance, crown: Tensor) -> Tensor:
    """(B, rows, rays + 1, 3) the peak of a cap or the brim of a hat, from the crown's rim outwards."""
    turn = _turns(crown.device)
    rim = crown[:, -1]
    outwards = torch.stack([turn.sin(), torch.zeros_like(turn), -turn.cos()], -1)
    share = torch.linspace(0.0, 1.0, _PEAK_ROWS, device=turn.device)[:, None]
    cap = each(hat.kind == HATS.index("cap"), 2).float()
    peak = step(turn.abs(), 1.02, 0.55)
    size = each(chance.uniform("peak", 0.52, 0.70), 2)
    reach_cap = size * peak * share
    fall_cap = (0.16 + 0.16 * (1 - turn.cos()) * 1.6) * share**1.3 * peak
    wide = each(chance.uniform("brim", 0.35, 0.75), 2)
    bend = each(chance.uniform("brim bend", -0.12, 0.22), 2)
    reach_hat = wide * share * (1 - 0.1 * (2 * turn).cos())
    fall_hat = bend * share**2 + 0.05 * share - 0.10 * share**2 * (turn.sin() ** 2)
    reach = cap * reach_cap + (1 - cap) * reach_hat
    fall = cap * fall_cap + (1 - cap) * fall_hat
    # a peak points ahead, not out from its own place of the rim
    ahead = outwards + cap[..., None] * (turn.new_tensor([0.0, 0.0, -1.0]) - outwards) * 0.75
    down = torch.zeros_like(outwards)
    down[:, 1] = 1.0
    return rim[:, None] + reach[..., None] * ahead + fall[..., None] * down


def _hood(shell: HeadShell, chance: Chance) -> Tensor:
    """(B, rows, columns, 3) of a headscarf round the face, from its opening to the back of the head."""
    device = shell.middle.device
    people = len(shell.middle)
    around = _turns(device)  # 0 over the forehead, pi under the chin
    back = torch.linspace(0.0, 1.0, _RINGS + 1, device=device)[:, None]
    # the face's opening, as an angle from straight ahead: over the forehead, past the cheeks, under the chin
    opening = 0.60 + 0.24 * torch.sin(around.abs()).clamp(min=0) ** 1.2 + 0.46 * step(around.abs(), 1.3, 3.14)
    opening = opening + 0.03 * each(chance.normal("scarf opening"), 2)
    angle = opening + (math.pi * 0.98 - opening) * back
    way = torch.stack([angle.sin() * around.sin(), -angle.sin() * around.cos(), -angle.cos()], -1)
    skin = _radius(shell, way.expand(people, -1, -1, -1))
    for _ in range(2):  # cloth spans the hollow under the chin and behind the ears
        skin = torch.maximum(skin, (skin.roll(2, 2) + skin.roll(-2, 2)) / 2)
    folds = 0.035 * noise(chance, "scarf folds", way * way.new_tensor([2.2, 0.7, 1.2]), 3.2, 2) * step(back, 0.0, 0.2)
    roll = 0.03 * step(back, 0.10, 0.0)
    reach = skin + 0.075 + folds + roll + 0.10 * step(back, 0.3, 0.8) * step(-way[..., 1], 0.9, 0.2)
    return shell.middle[:, None, None] + way * reach[..., None]


def _drape(shell: HeadShell, chance: Chance) -> Tensor:
    """(B, rows, columns, 3) of a headscarf from under the jaw over neck and shoulders."""
    device = shell.middle.device
    people = len(shell.middle)
    turn = _turns(device)
    share = torch.linspace(0.0, 1.0, _DRAPE_ROWS, device=device)[:, None]
    front = step(turn.abs(), 1.7, 0.6)
    folds = noise(chance, "drape folds", torch.stack([turn.sin(), turn.cos(), 0 * turn], -1)[None], 2.6, 2)[:, None]
    start = shell.chin_y[:, None, None] - 0.06 - 0.30 * (1 - front)
    length = each(chance.uniform("drape", 0.75, 1.15), 2) * (1.0 + 0.25 * front)
    y = start + length * share
    radius = 0.60 + 0.16 * share + 0.55 * share**2 + 0.05 * folds * step(share, 0.05, 0.4)
    centre_z = shell.middle[:, 2, None, None] + 0.02
    x = shell.middle[:, 0, None, None] + 1.02 * radius * turn.sin()
    z = centre_z - radius * turn.cos() * (1 + 0.18 * front)
    points = torch.stack([x, y.expand_as(x), z], -1)
    kept = shell.kept_out(points.reshape(people, -1, 3), 0.055 + 0.0 * y.expand_as(x).reshape(people, -1))
    return kept.reshape(points.shape)


def _grid_things(points: Tensor, worn: Tensor, number: float, shell: HeadShell) -> Things:
    people, rows, columns = points.shape[:3]
    device = points.device
    row, column = torch.meshgrid(
        torch.arange(rows - 1, device=device), torch.arange(columns - 1, device=device), indexing="ij"
    )
    a = row * columns + column
    quads = torch.stack([a, a + columns, a + 1, a + 1, a + columns, a + columns + 1], -1).reshape(-1, 3).int()
    triangles = torch.where(worn[:, None, None], quads, -1)
    along = torch.gradient(points, dim=2)[0]
    tangent = functional.normalize(along + 1e-6, dim=-1).reshape(people, -1, 3)
    down = torch.linspace(0, 1, rows, device=device)[:, None].expand(rows, columns)
    across = torch.linspace(0, 1, columns, device=device).expand(rows, columns)
    one = torch.ones_like(down)
    texture = torch.stack([across, down, one * number, one * (0.9 if number != DRAPE else 0.85)], -1)
    flat = points.reshape(people, -1, 3)
    rigid = 1.0 - step(flat[..., 1] - shell.chin_y[:, None], 0.0, 0.45)
    kinds = torch.full(triangles.shape[:2], kind("hat"), dtype=torch.uint8, device=device)
    return Things(flat, triangles, kinds, texture.reshape(1, -1, 4).expand(people, -1, -1), tangent, rigid)


def hat_coat(hat: Hat, chance: Chance) -> dict[str, Tensor]:
    """Colours and cloth of B hats: linear RGB `colour` and `second` (B, 3); `form`, `knit`, `print` (B,)."""
    dye = chance.uniform("hat dye", 0.0, 1.0, 3) ** 2.2
    grey = chance.uniform("hat grey", 0.02, 0.5)[:, None].expand(-1, 3)
    colour = torch.where((chance.uniform("hat plain") < 0.5)[:, None], grey, 0.03 + 0.4 * dye)
    faded = chance.uniform("hat faded", 0.1, 0.75)[:, None]
    colour = colour + faded * (colour.mean(1, keepdim=True) - colour)
    second = 0.02 + 0.5 * chance.uniform("hat second", 0.0, 1.0, 3) ** 2
    return {
        "colour": colour, "second": second, "form": hat.kind.to(torch.float32),
        "print": chance.happens("hat print", 0.25), "ribs": chance.uniform("ribs", 60.0, 110.0).round(),
    }  # fmt: skip


def shade_hat(spots: Spots) -> Tensor:
    """(n, 3) linear light off hats: knitted wool, twill with seams, felt with a band, soft scarves."""
    u, v, piece, _ = spots.texture.unbind(-1)
    form, colour = spots.own("form"), spots.own("colour")
    cap, beanie, felt, scarf = (form == HATS.index(name) for name in HATS[1:])
    crown = piece < 0.25
    ribs = torch.sin(2 * math.pi * u * spots.own("ribs"))
    rows = torch.sin(2 * math.pi * v * 26 + 0.8 * ribs)
    weave = torch.sin(spots.canonical[:, 0] * 260 + spots.canonical[:, 1] * 190)
    # seams run from the button to the rim between six panels
    seam = (torch.remainder(u * 6 + 0.5, 1.0) - 0.5).abs() * v
    stitched = torch.exp(-((seam / 0.012) ** 2)) * crown * cap
    inner = (spots.out * spots.towards).sum(-1) < 0.02
    dark = 0.5 * inner
    dark = dark + beanie * (0.16 * (1 - ribs) + 0.10 * (1 - rows) + 0.35 * torch.exp(-(((v - 0.715) / 0.012) ** 2)))
    dark = dark + cap * (0.35 * stitched + 0.04 * weave) + (felt | scarf) * 0.03 * weave
    tone = torch.exp(-1.2 * dark)[:, None]
    band = (felt & crown & ~inner & (v > 0.80)).float()[:, None]
    stripe = (beanie & (spots.own("print") > 0) & (v > 0.45) & (v < 0.6)).float()[:, None]
    colour = colour + torch.maximum(band, stripe) * (spots.own("second") - colour)
    normal = functional.normalize(spots.normal + (0.22 * beanie * ribs)[:, None] * spots.tangent, dim=-1)
    facing = (normal * spots.towards).sum(-1).clamp(0, 1)
    fuzz = (0.10 * (1 - facing) ** 3 * (beanie | felt | scarf))[:, None]
    return (colour * tone) * spots.matte(normal, 0.15) + fuzz * spots.irradiance(normal) * (0.3 + 0.7 * colour)
