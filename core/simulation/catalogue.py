"""The samples of an experiment, made ready when they are first needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from specklenn.core.errors import DataError
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.experiment import Experiment, StructureFile
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.samples import Body, Molecule, Sample, SolidBody
from specklenn.core.simulation.structures import Structure, read_structure
from specklenn.core.simulation.truth import LONGEST_TEXT

KINDS = ("pdb", "ent", "cif", "mmcif")
ENDINGS = (".npz", *(f".{kind}{packed}" for kind in KINDS for packed in ("", ".gz")))

MOST_BYTES = 1 << 30
"""Memory for samples made ready, for each process."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample of an experiment, not loaded yet.

    Parameters
    ----------
    source : Body or function that returns a Structure
    checked : bool
        Whether its size is checked before anything is simulated.
    """

    source: Body | Callable[[], Structure]
    checked: bool = True

    def prepare(self, geometry: Geometry) -> Sample:
        """Load the sample and make it ready for a detector."""
        if isinstance(self.source, Body):
            return SolidBody(self.source, geometry)
        return Molecule(self.source(), geometry)

    def extent(self) -> tuple[str, float]:
        """Load the sample; return its name and largest radius, angstrom."""
        if isinstance(self.source, Body):
            return self.source.name, self.source.largest_radius_angstrom
        structure = self.source()
        return structure.name, structure.radius_angstrom


class Catalogue:
    """The samples of an experiment: structures, procedural particles, bodies.

    Parameters
    ----------
    experiment : Experiment
    geometry : Geometry
    most_bytes : int
        Memory for samples made ready.

    Raises
    ------
    DataError
        If a folder of structures is empty.
    """

    def __init__(
        self, experiment: Experiment, geometry: Geometry, most_bytes: int = MOST_BYTES
    ) -> None:
        self.entries = list(_entries(experiment))
        self._geometry = geometry
        self._most_bytes = most_bytes
        self._ready: OrderedDict[int, Sample] = OrderedDict()

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, number: int) -> Sample:
        """Return a sample made ready."""
        if number not in self._ready:
            self._ready[number] = self.entries[number].prepare(self._geometry)
        self._ready.move_to_end(number)
        while len(self._ready) > 1 and self._held() > self._most_bytes:
            # The one before this: samples come round in order, so what was used
            # longest ago is what is needed next.
            del self._ready[list(self._ready)[-2]]
        return self._ready[number]

    def _held(self) -> int:
        return sum(sample.nbytes for sample in self._ready.values())

    def check(self) -> list[str]:
        """Load every structure once; return what the detector cannot show of them.

        Procedural particles are left out: they take long to make and are compact.

        Raises
        ------
        DataError
            If a structure cannot be read or has too long a name.
        """
        sampled = self._geometry.sampled_radius_angstrom
        found = [entry.extent() for entry in self.entries if entry.checked]
        for name, _ in found:
            if len(name) > LONGEST_TEXT:
                raise DataError(
                    f"{name}: name of a sample of over {LONGEST_TEXT} letters"
                )
        return [
            f"{name}: radius {radius:.0f} angstrom, the detector samples particles "
            f"of up to {sampled:.0f}; finer fringes than its pixels are aliased"
            for name, radius in found
            if radius > sampled
        ]


def _entries(experiment: Experiment) -> Iterator[Entry]:
    for given in experiment.structures:
        file = given if isinstance(given, StructureFile) else StructureFile(file=given)
        for path in find_structures(file.file):
            yield Entry(source=partial(read_structure, path, file.assembly))
    made = experiment.procedural
    for index in range(made.count if made else 0):
        assert made is not None
        maker = partial(make_particle, made.seed, index, made.atoms)
        yield Entry(source=maker, checked=False)
    for body in experiment.bodies:
        yield Entry(source=body)


def count_samples(experiment: Experiment) -> int:
    """Return how many samples an experiment has; no file is read.

    Raises
    ------
    DataError
        If a folder of structures is empty.
    """
    return len(list(_entries(experiment)))


def find_structures(path: Path) -> list[Path]:
    """Return a structure file, or the files in a folder of structures.

    Raises
    ------
    DataError
        If a folder holds no structure file.
    """
    if not path.is_dir():
        return [path]
    inside = sorted(p for p in path.iterdir() if p.name.endswith(ENDINGS))
    if not inside:
        raise DataError(f"{path}: no structure files ({', '.join(ENDINGS)})")
    return inside
