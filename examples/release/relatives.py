"""Make relatives of atomic models: halves, rods and chains, one of each structure.

    python relatives.py FOLDER OUT ID [ID ...]

Training on few proteins teaches their shapes. What is cut from them, or put together
from them, has the same atoms and densities in other shapes, the long and thin ones
among them that are the hardest to tell from pairs. Which kind a structure gives is
drawn from a seed of its own name; the outcome is the same everywhere.
"""

from __future__ import annotations

import argparse
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

MOST_ATOMS = 100_000
LONGEST_ANGSTROM = 400.0
"""Of a chain; the pixels of the training data sample about as much."""

CONTACT_ANGSTROM = 3.0
"""How deep the links of a chain overlap along it."""

Places = npt.NDArray[np.float64]
Atoms = tuple[Places, npt.NDArray[np.uint8]]


def half(atoms: Atoms, random: np.random.Generator) -> Atoms:
    """Keep one side of a plane in any direction: a third to two thirds of the atoms."""
    places, numbers = atoms
    along = places @ direction(random)
    kept = along < np.quantile(along, random.uniform(0.35, 0.65))
    return places[kept], numbers[kept]


def rod(atoms: Atoms, random: np.random.Generator) -> Atoms:
    """Keep the atoms nearest the longest axis: a third to two thirds of them."""
    places, numbers = atoms
    across = places @ np.linalg.svd(places, full_matrices=False)[2][1:].T
    distance = np.hypot(*across.T)
    kept = distance < np.quantile(distance, random.uniform(0.35, 0.65))
    return places[kept], numbers[kept]


def chain(atoms: Atoms, random: np.random.Generator) -> Atoms:
    """Put two to four copies in a row, each turned in its own way."""
    places, numbers = atoms
    links = min(int(random.integers(2, 5)), MOST_ATOMS // len(numbers))
    copies = [places - [0, 0, places[:, 2].min()]]
    for _ in range(1, links):
        end = copies[-1][:, 2].max() - CONTACT_ANGSTROM
        turned = places @ Rotation.random(random_state=random).as_matrix().T
        turned[:, 2] += end - turned[:, 2].min()
        if turned[:, 2].max() > LONGEST_ANGSTROM:
            break
        copies.append(turned)
    return np.concatenate(copies), np.tile(numbers, len(copies))


KINDS: tuple[Callable[[Atoms, np.random.Generator], Atoms], ...] = (half, rod, chain)


def direction(random: np.random.Generator) -> Places:
    """Return a unit vector, all directions alike."""
    drawn = random.normal(size=3)
    return drawn / np.linalg.norm(drawn)


def relative(path: Path, out: Path) -> Path:
    """Write a relative of one structure; returns its file."""
    random = np.random.default_rng(zlib.crc32(path.stem.encode()))
    with np.load(path) as stored:
        places = stored["xyz_centi_angstrom"] / 100.0
        numbers = stored["z"]
    places = places - places.mean(axis=0)
    made = KINDS[random.integers(len(KINDS))]
    places, numbers = made((places, numbers), random)
    written = out / f"{path.stem}-{made.__name__}.npz"
    centi = np.rint(100 * (places - places.mean(axis=0))).astype(np.int32)
    np.savez_compressed(written, xyz_centi_angstrom=centi, z=numbers)
    return written


def main() -> None:
    """Write a relative of every structure named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="holds ID.npz")
    parser.add_argument("out", type=Path, help="gets ID-half.npz, -rod or -chain")
    parser.add_argument("ids", nargs="+", metavar="ID")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.ids:
        relative(options.folder / f"{name}.npz", options.out)


if __name__ == "__main__":
    main()
