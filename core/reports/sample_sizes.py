"""How large the samples are (Fig. 7 of the paper): from a table or the simulation."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from specklenn.core.data.labelled_dataset import LabelledDataset, frames_alone
from specklenn.core.errors import DataError
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.simulation.simulated_file import TRUTH

RADIUS = f"{TRUTH}/radius_angstrom"
NAME_COLUMNS = ("id", "name")
ATOMS = "atoms"
SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """The sizes of samples.

    Parameters
    ----------
    of : dict of name to float
    quantity : str
        What they are: ``atoms`` or ``radius_angstrom``.
    """

    of: dict[str, float]
    quantity: str

    def missing(self, names: Iterable[str]) -> list[str]:
        """Return the samples whose size is not known."""
        return [name for name in names if name not in self.of]


def read_sizes(path: Path, names: Iterable[str]) -> Sizes:
    """Read numbers of atoms from a CSV with columns ``id`` (or ``name``), ``atoms``.

    Parameters
    ----------
    path : Path
    names : iterable of str
        Samples that are wanted.

    Raises
    ------
    DataError
        If the file cannot be read, lacks a column, has no number where one is
        expected, or none of the samples.
    """
    wanted = list(names)
    table = _table(path)
    found = {name: _atoms(path, name, table[name]) for name in wanted if name in table}
    if not found:
        raise DataError(
            f"{path}: none of the samples {_some(wanted)} is in it; in it are "
            f"{_some(list(table))}"
        )
    return Sizes(of=found, quantity=ATOMS)


def simulated_radii(file: LabelledFile) -> Sizes:
    """Return the mean radius of each sample's particles, from a simulated file.

    Raises
    ------
    DataError
        If the file does not hold it.
    """
    with LabelledDataset(file.path, frames_alone()) as opened:
        column = opened.column(RADIUS)
    if column is None:
        raise DataError(
            f"{file.path}: does not say how large its samples are (no {RADIUS}); "
            "a table with columns id and atoms expected: --sizes FILE"
        )
    radii = column[:, 0]
    shown = np.isfinite(radii)  # debris shots hold no particle of the sample
    return Sizes(
        of={
            str(name): float(radii[shown & (file.names == name)].mean())
            for name in np.unique(file.names[shown])
        },
        quantity="radius_angstrom",
    )


def _table(path: Path) -> dict[str, str]:
    """Return the column of atoms by name of the sample."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error
    rows = csv.DictReader(io.StringIO(text))
    columns = rows.fieldnames or []
    keys = [name for name in NAME_COLUMNS if name in columns]
    if not keys or ATOMS not in columns:
        raise DataError(
            f"{path}: columns {', '.join(columns) or 'none'} found, id (or name) and "
            "atoms expected"
        )
    return {row[keys[0]]: row[ATOMS] for row in rows}


def _atoms(path: Path, name: str, text: str) -> float:
    try:
        atoms = float(text)
    except (TypeError, ValueError):
        atoms = math.nan
    if not 0 < atoms < math.inf:
        raise DataError(f"{path}: {name}: {text!r} atoms, a number above 0 expected")
    return atoms


def _some(names: list[str]) -> str:
    more = ", …" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
