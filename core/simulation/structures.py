"""Atomic models: where the atoms of a particle are and which elements they are."""

from __future__ import annotations

import importlib
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError, MissingPackageError


@dataclass(frozen=True, kw_only=True, eq=False)
class Structure:
    """The heavy atoms of one particle.

    Parameters
    ----------
    positions : (N, 3) float32, angstrom
        Centred on the centroid of the electrons.
    atomic_numbers : (N,) uint8
    name : str
        Identifier, for example a PDB id.
    """

    positions: npt.NDArray[np.float32]
    atomic_numbers: npt.NDArray[np.uint8]
    name: str

    @property
    def radius_angstrom(self) -> float:
        """Distance of the outermost atom from the centroid, angstrom."""
        return float(np.linalg.norm(self.positions, axis=1).max())


def centred(
    positions: npt.NDArray[Any], atomic_numbers: npt.NDArray[Any], name: str
) -> Structure:
    """Build a structure around the centroid of its electrons.

    Parameters
    ----------
    positions : (N, 3) array, angstrom
    atomic_numbers : (N,) array of int
    name : str

    Raises
    ------
    DataError
        If there is no atom, an unknown element or a position that is no number.
    """
    numbers = np.asarray(atomic_numbers)
    places = np.asarray(positions, np.float64)
    if len(numbers) == 0 or places.shape != (len(numbers), 3):
        raise DataError(
            f"{name}: {len(numbers)} atoms with positions of shape {places.shape}, "
            "at least one atom and shape (N, 3) expected"
        )
    if (numbers < 1).any() or (numbers > 98).any():
        raise DataError(f"{name}: atom {int(np.argmax(numbers < 1))} has no element")
    if not np.isfinite(places).all():
        raise DataError(f"{name}: a position is not a number")
    centroid = np.average(places, axis=0, weights=numbers)
    return Structure(
        positions=(places - centroid).astype(np.float32),
        atomic_numbers=numbers.astype(np.uint8),
        name=name,
    )


def read_structure(path: str | os.PathLike[str]) -> Structure:
    """Read a particle from a PDB, mmCIF (plain or .gz) or npz file.

    Of PDB and mmCIF files the first model and the first alternate location are
    taken, without waters and hydrogens. An npz file holds
    ``xyz_centi_angstrom`` (N, 3) int, hundredths of an angstrom, and ``z`` (N,).

    Raises
    ------
    DataError
        If the file is missing, cannot be read or holds no atoms.
    """
    source = Path(path)
    if not source.is_file():
        raise DataError(f"{source}: no such file")
    if source.suffix == ".npz":
        return _read_npz(source)
    return _read_with_gemmi(source)


def _read_npz(path: Path) -> Structure:
    try:
        with np.load(path, allow_pickle=False) as archive:
            positions = archive["xyz_centi_angstrom"].astype(np.float64) / 100.0
            return centred(positions, archive["z"], path.stem)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: not a structure in npz form: {error}") from error


def _read_with_gemmi(path: Path) -> Structure:
    gemmi = load_gemmi()
    try:
        model = gemmi.read_structure(str(path))
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(f"{path}: not a PDB or mmCIF file: {error}") from error
    name = path.name.removesuffix(".gz").rpartition(".")[0]
    if len(model) == 0:
        raise DataError(f"{path}: no atoms")
    model.remove_alternative_conformations()
    model.remove_waters()
    model.remove_hydrogens()
    atoms = [site.atom for site in model[0].all()]
    if not atoms:
        raise DataError(f"{path}: no atoms besides waters and hydrogens")
    return centred(
        np.array([atom.pos.tolist() for atom in atoms]),
        np.array([atom.element.atomic_number for atom in atoms]),
        name,
    )


def load_gemmi() -> Any:
    """Return the gemmi module.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return importlib.import_module("gemmi")
    except ImportError:
        raise MissingPackageError(
            "simulation needs gemmi; install it with: pip install 'specklenn[simulate]'"
        ) from None
