"""Particles made from a seed: compact bodies of several domains with symmetry.

They stand in for proteins where no structure file is at hand: in tests, in the
demo, and beside real structures in training. A chain of touching balls is the
asymmetric unit; a point group repeats it; the union is filled with atoms at
the density of protein. Some are slender instead: one bent chain of many small balls,
as solenoids and coiled coils are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.structures import Structure, centred

Vectors = npt.NDArray[np.float64]

ANGSTROM3_PER_ATOM = 17.3
"""Volume per heavy atom: 14.1 Da with its hydrogens at 1.35 g per cm3."""

SYMMETRIES = ("C1", "C1", "C2", "C3", "C5", "C7", "D2", "D3", "D7", "T", "O", "I")
"""Point groups to draw from; an asymmetric body is as likely as any two others."""

ELEMENTS = np.array([6, 7, 8, 16], np.uint8)
ELEMENT_SHARES = np.array([0.63, 0.17, 0.19, 0.01])
"""Heavy atoms of an average protein; mean atomic number 6.65."""

JITTER_ANGSTROM = 0.5

SLENDER_BALLS = (6, 24)
"""Fewest and most balls of a slender particle's chain."""

BEND = (0.05, 0.5)
"""Least and greatest bend from ball to ball of a slender particle, radians about."""


def make_particle(
    seed: int, index: int, atoms: tuple[int, int], slender: bool = False
) -> Structure:
    """Make one particle; the same arguments always give the same particle.

    Parameters
    ----------
    seed, index : int
        Which particle of which family of draws.
    atoms : (fewest, most)
        Range of the number of atoms, drawn evenly in its logarithm.
    slender : bool
        Whether it is one long bent chain.
    """
    random = np.random.default_rng([seed, index])
    number = round(float(np.exp(random.uniform(*np.log(atoms)))))
    if slender:
        centres, radii = make_chain(random)
    else:
        group = SYMMETRIES[random.integers(len(SYMMETRIES))]
        centres, radii = make_body(random, group)
    positions = fill(random, centres, radii, number)
    elements = random.choice(ELEMENTS, size=number, p=ELEMENT_SHARES)
    return centred(positions, elements, f"procedural-{seed}-{index}")


def make_body(random: np.random.Generator, group: str) -> tuple[Vectors, Vectors]:
    """Draw centres (K, 3) and radii (K,) of the balls of a body, in arbitrary units.

    The group is a point group, see `point_group`.
    """
    domains = int(random.integers(1, 5 if group != "C1" else 9))
    radii = random.uniform(0.5, 1.0, domains)
    centres = np.zeros((domains, 3))
    for domain in range(1, domains):
        parent = int(random.integers(domain))
        reach = random.uniform(0.7, 1.0) * (radii[domain] + radii[parent])
        centres[domain] = centres[parent] + reach * _direction(random)
    rotations = point_group(group)
    spread = len(rotations) ** (1 / 2 if group[0] in "TOI" else 1 / 3)
    centres += random.uniform(0.4, 1.0) * spread * _direction(random)
    copies = np.einsum("gij,dj->gdi", rotations, centres).reshape(-1, 3)
    return copies, np.tile(radii, len(rotations))


def make_chain(
    random: np.random.Generator,
) -> tuple[Vectors, Vectors]:
    """Draw centres (K, 3) and radii (K,) of a long bent chain, in arbitrary units.

    Neighbouring balls overlap.
    """
    fewest, most = SLENDER_BALLS
    number = int(random.integers(fewest, most + 1))
    radii = random.uniform(0.8, 1.2, number)
    bend = random.uniform(*BEND)
    heading = _direction(random)
    centres = np.zeros((number, 3))
    for ball in range(1, number):
        heading = heading + bend * random.normal(size=3)
        heading /= np.linalg.norm(heading)
        centres[ball] = centres[ball - 1] + heading
    return centres, radii


def point_group(name: str) -> Vectors:
    """Return the rotations of a point group, (order, 3, 3) float64.

    Parameters
    ----------
    name : str
        ``"Cn"``, ``"Dn"``, ``"T"``, ``"O"`` or ``"I"``; the n-fold axis is z.
    """
    golden = (1 + np.sqrt(5)) / 2
    cube = [_turn((0, 0, 1), 2), _turn((1, 1, 1), 3)]
    if name in "TOI":
        last = {"T": [], "O": [_turn((0, 0, 1), 4)], "I": [_turn((0, 1, golden), 5)]}
        generators = cube + last[name]
    else:
        generators = [_turn((0, 0, 1), int(name[1:]))]
        if name[0] == "D":
            generators.append(_turn((1, 0, 0), 2))
    members = [np.eye(3)]
    for member in members:
        for generator in generators:
            product = member @ generator
            if not any(np.allclose(product, known) for known in members):
                members.append(product)
    return np.array(members)


def fill(
    random: np.random.Generator,
    centres: Vectors,
    radii: Vectors,
    number: int,
) -> Vectors:
    """Fill a union of balls with atoms at the density of protein.

    The body is scaled until its volume is right. Atoms sit near the points of a
    cubic lattice, not at random: a random gas would scatter a flat background
    that no protein has.

    Parameters
    ----------
    random : Generator
    centres : (K, 3) float64, arbitrary units
    radii : (K,) float64, the same units
    number : int
        Atoms wanted.

    Returns
    -------
    (number, 3) float64, angstrom
    """
    low = (centres - radii[:, None]).min(axis=0)
    high = (centres + radii[:, None]).max(axis=0)
    step = _step_for(random, centres, radii, number)
    while True:
        axes = [np.arange(a, b + step, step) for a, b in zip(low, high, strict=True)]
        lattice = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        inside = _inside(lattice, centres, radii)
        if inside.sum() >= number:
            break
        step *= 0.99
    kept = random.permutation(np.flatnonzero(inside))[:number]
    spacing = ANGSTROM3_PER_ATOM ** (1 / 3)
    positions: Vectors = lattice[kept] * (spacing / step)
    positions += random.normal(0.0, JITTER_ANGSTROM, positions.shape)
    return positions


def _step_for(
    random: np.random.Generator,
    centres: Vectors,
    radii: Vectors,
    number: int,
) -> float:
    """Return the lattice step that puts a little over ``number`` points inside."""
    low = (centres - radii[:, None]).min(axis=0)
    high = (centres + radii[:, None]).max(axis=0)
    probes = random.uniform(low, high, (20_000, 3))
    probes = probes[np.argsort(probes[:, 0])]
    share = max(float(_inside(probes, centres, radii).mean()), 1e-4)
    return float((share * np.prod(high - low) / number) ** (1 / 3)) * 0.997


def _inside(
    points: Vectors,
    centres: Vectors,
    radii: Vectors,
) -> npt.NDArray[np.bool_]:
    """Return which of the points (N, 3), ordered by x, lie in any of the balls."""
    inside = np.zeros(len(points), bool)
    for centre, radius in zip(centres, radii, strict=True):
        first, last = np.searchsorted(
            points[:, 0], (centre[0] - radius, centre[0] + radius)
        )
        distances = ((points[first:last] - centre) ** 2).sum(axis=1)
        inside[first:last] |= distances <= radius**2
    return inside


def _turn(axis: npt.ArrayLike, folds: int) -> Vectors:
    """Return the rotation by 1 / folds of a turn about an axis, (3, 3)."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = 2 * np.pi / folds
    turned: Vectors = (
        np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    )
    return turned


def _direction(random: np.random.Generator) -> Vectors:
    vector = random.normal(size=3)
    return vector / np.linalg.norm(vector)
