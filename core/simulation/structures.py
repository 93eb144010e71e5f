"""Atomic models: where the atoms of a particle are and which elements they are."""

from __future__ import annotations

import dataclasses
import gzip
import io
import math
import os
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from specklenn.core.errors import DataError, import_optional
from specklenn.core.simulation.solvent import solvent_kind

HEAVIEST = 98
"""Californium, the last element with tabulated form factors."""

EXPECTED = "a PDB, mmCIF or npz file expected"
NPZ_KEYS = ("xyz_centi_angstrom", "z")

GZIP = b"\x1f\x8b"
MMCIF = re.compile(rb"\s*(?:#[^\n]*\n\s*)*data_", re.IGNORECASE)
PDB = re.compile(rb"^(?:HEADER|TITLE |REMARK|CRYST1|MODEL |ATOM  |HETATM|END)", re.M)
NO_COORDINATES = re.compile(
    rb"^(?:ATOM  |HETATM)(?!.{24}(?:(?=[ \d.+-]{8})(?=.{0,7}\d).{8}){3}).*$", re.M
)
"""An atom of a PDB file whose columns 31 to 54 are not three numbers."""


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
    waters, ions : int
        Waters and dissolved ions of the file, which are not among the atoms.
    """

    positions: npt.NDArray[np.float32]
    atomic_numbers: npt.NDArray[np.uint8]
    name: str
    waters: int = 0
    ions: int = 0

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
    if numbers.ndim != 1 or len(numbers) == 0 or places.shape != (len(numbers), 3):
        raise DataError(
            f"{name}: positions of shape {places.shape} and elements of shape "
            f"{numbers.shape}; (N, 3) and (N,) with at least one atom expected"
        )
    unknown = (numbers < 1) | (numbers > HEAVIEST)
    if unknown.any():
        first = int(np.argmax(unknown))
        raise DataError(
            f"{name}: atom {first} has no element of which the form factor is known: "
            f"its atomic number is {numbers[first]}, 1 to {HEAVIEST} expected"
        )
    if not np.isfinite(places).all():
        first = int(np.argmin(np.isfinite(places).all(axis=1)))
        raise DataError(f"{name}: the position of atom {first} is not a number")
    centroid = np.average(places, axis=0, weights=numbers)
    return Structure(
        positions=(places - centroid).astype(np.float32),
        atomic_numbers=numbers.astype(np.uint8),
        name=name,
    )


def read_structure(
    path: str | os.PathLike[str], assembly: str | None = None
) -> Structure:
    """Read a particle from a PDB, mmCIF (plain or .gz) or npz file.

    Of PDB and mmCIF files the first model and of each atom the first alternate
    location are taken, without hydrogens (deuterium included), waters and dissolved
    ions (`core.simulation.solvent`; they are counted). Atoms count fully
    whatever their occupancy, 0 included. An npz file holds ``xyz_centi_angstrom``
    (N, 3) int, hundredths of an angstrom, and ``z`` (N,) int.

    Parameters
    ----------
    path : path
    assembly : str, optional
        Name of a biological assembly of a PDB (REMARK 350) or mmCIF
        (``_pdbx_struct_assembly``) file, for example "1"; by default the atoms
        are those written in the file. Atoms on a symmetry axis, whose copies
        coincide, are there once.

    Returns
    -------
    Structure
        Named after the file, with ``-assembly1`` when assembly "1" was asked for.

    Raises
    ------
    DataError
        If the file is missing, cannot be read, holds no atoms or one of unknown
        element, or does not describe the assembly.
    MissingPackageError
        If gemmi is needed and not installed.
    """
    source = Path(path)
    data = _contents(source)
    if source.suffix.lower() != ".npz":
        return _read_with_gemmi(source, data, assembly)
    if assembly is not None:
        raise DataError(
            f"{source}: no assembly {assembly}; an npz file describes none, "
            "a PDB or mmCIF file expected"
        )
    return _read_npz(source, data)


def _contents(path: Path) -> bytes:
    """Return what is in a file, unpacked."""
    if path.is_dir():
        raise DataError(f"{path}: a folder, {EXPECTED}")
    if not path.exists():
        raise DataError(f"{path}: no such file, {EXPECTED}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    if data.startswith(GZIP):
        data = _unpacked(path, data)
    if not data or data.isspace():
        raise DataError(f"{path}: an empty file, {EXPECTED}")
    return data


def _unpacked(path: Path, data: bytes) -> bytes:
    # Not left to gemmi, which takes what it can get of a file cut short.
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: damaged or cut short: {error}") from error


def _read_npz(path: Path, data: bytes) -> Structure:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        raise DataError(f"{path}: not a structure in npz form, or one cut short")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            found = {key: archive[key] for key in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: not a structure in npz form: {error}") from error
    for key in NPZ_KEYS:
        if key not in found:
            raise DataError(
                f"{path}: no array {key}; it holds {', '.join(found) or 'none'}, "
                f"{' and '.join(NPZ_KEYS)} expected"
            )
        if found[key].dtype.kind not in "iu":
            raise DataError(f"{path}: {key} is {found[key].dtype}, integers expected")
    return centred(found["xyz_centi_angstrom"] / 100.0, found["z"], path.stem)


def _read_with_gemmi(path: Path, data: bytes, assembly: str | None) -> Structure:
    structure = _first_model(path, data)
    _keep_first_alternatives(structure)
    # Before the hydrogens go: gemmi takes the D of a dummy atom for deuterium.
    _refuse_unknown_atoms(path, data, structure[0])
    structure.remove_hydrogens()
    name = Path(re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)).stem
    if assembly is not None:
        _assemble(path, structure, assembly)
        name = f"{name}-assembly{assembly}"
    # Last: the assemblies of mmCIF files name the chains of waters, too.
    atoms, left_out = _without_solvent(structure[0])
    if not atoms:
        raise DataError(f"{path}: no atoms besides waters, ions and hydrogens")
    found = centred(
        np.array([atom.pos.tolist() for atom in atoms]),
        np.array([atom.element.atomic_number for atom in atoms]),
        name,
    )
    waters, ions = left_out["water"], left_out["ion"]
    return dataclasses.replace(found, waters=waters, ions=ions)


def _without_solvent(model: Any) -> tuple[list[Any], Counter[str]]:
    """Return the atoms of the particle, and how much of each solvent there is."""
    atoms: list[Any] = []
    left_out: Counter[str] = Counter()
    for chain in model:
        for residue in chain:
            kind = solvent_kind(residue)
            if kind is None:
                atoms.extend(residue)
            else:
                left_out[kind] += 1
    return atoms, left_out


def _first_model(path: Path, data: bytes) -> Any:
    """Return a gemmi.Structure with one model, which has atoms."""
    structure = _parsed(path, data)
    del structure[1:]
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise DataError(f"{path}: {_why_no_atoms(data)}")
    return structure


def _parsed(path: Path, data: bytes) -> Any:
    gemmi = load_gemmi()
    kind = "mmCIF" if MMCIF.match(data) else "PDB"
    try:
        if kind == "mmCIF":
            block = gemmi.cif.read_string(data)[0]
            return gemmi.make_structure_from_block(block)
        structure = gemmi.read_pdb_string(data)
    except (RuntimeError, ValueError) as error:
        said = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as {kind}: {said}") from error
    _refuse_lost_coordinates(path, data)
    return structure


def _refuse_lost_coordinates(path: Path, data: bytes) -> None:
    # gemmi reads what is no number, for example ********, as 0.
    found = NO_COORDINATES.search(data)
    if found:
        line = data.count(b"\n", 0, found.start()) + 1
        text = found[0][30:54].decode("ascii", "replace")
        raise DataError(f"{path}: line {line}: {text!r} found, three numbers expected")


def _why_no_atoms(data: bytes) -> str:
    # gemmi takes any text for a PDB file without atoms.
    if MMCIF.match(data) or PDB.search(data):
        return "no atoms"
    line = data.lstrip().splitlines()[0][:40].decode("ascii", "replace")
    return f"not a PDB or mmCIF file, its first line is {line!r}"


def _keep_first_alternatives(structure: Any) -> None:
    # Without the question gemmi would thin out files that have no alternatives but
    # repeat names, such as a cluster in one residue or numbers that start again.
    if any(site.atom.has_altloc() for site in structure[0].all()):
        structure.remove_alternative_conformations()


def _refuse_unknown_atoms(path: Path, data: bytes, model: Any) -> None:
    for site in model.all():
        problem = None if solvent_kind(site.residue) else _problem(data, site)
        if problem:
            atom, residue = site.atom, site.residue
            raise DataError(
                f"{path}: atom {atom.name} of {residue.name} {residue.seqid} in chain "
                f"{site.chain.name}, serial {atom.serial}, {problem}"
            )


def _problem(data: bytes, site: Any) -> str | None:
    """Return why an atom (a gemmi.CRA) cannot be used, or nothing."""
    if "DUM" in (site.residue.name, site.atom.name):
        return "is a dummy, an atom of a chemical element expected"
    if site.atom.element.atomic_number == 0:
        text = _element_text(data, site.atom.serial)
        found = f"has the element {text!r}" if text else "has no element"
        return f"{found}, the symbol of a chemical element expected"
    if not math.isfinite(sum(site.atom.pos.tolist())):
        return "has a position that is not a number"
    return None


def _element_text(data: bytes, serial: int) -> str:
    """Return what a file calls the element of an atom; gemmi only knows X."""
    if MMCIF.match(data):
        block = load_gemmi().cif.read_string(data)[0]
        rows = block.find("_atom_site.", ["id", "type_symbol"])
        return next((row.str(1) for row in rows if row[0] == str(serial)), "")
    atom = re.search(rb"^(?:ATOM  |HETATM)%5d.*" % serial, data, re.M)
    return atom[0][76:78].decode("ascii", "replace").strip() if atom else ""


def _assemble(path: Path, structure: Any, assembly: str) -> None:
    """Replace the atoms of a gemmi.Structure by those of an assembly."""
    names = [each.name for each in structure.assemblies]
    if not names:
        raise DataError(f"{path}: no assembly {assembly}; the file describes none")
    if assembly not in names:
        raise DataError(
            f"{path}: no assembly {assembly}; the file has {', '.join(names)}"
        )
    # Copies keep their chain's name: those of a capsid would need thousands.
    same_name = load_gemmi().HowToNameCopiedChain.Dup
    try:
        structure.transform_to_assembly(assembly, same_name)
    except (RuntimeError, ValueError) as error:
        raise DataError(
            f"{path}: assembly {assembly} cannot be made: {error}"
        ) from error


def load_gemmi() -> Any:
    """Return the gemmi module, or refuse where it is not installed."""
    return import_optional("gemmi", "simulation", "simulate")
