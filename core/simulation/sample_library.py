"""The samples of an experiment, made ready when they are first needed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from specklenn.core.errors import DataError
from specklenn.core.simulation.brightness import mean_photons
from specklenn.core.simulation.debris import Debris
from specklenn.core.simulation.detector import Geometry
from specklenn.core.simulation.experiment import Experiment, StructureFile
from specklenn.core.simulation.particles import make_particle
from specklenn.core.simulation.random_bodies import RandomBodies, draw_body
from specklenn.core.simulation.samples import (
    Body,
    Molecule,
    Sample,
    SolidBody,
    refuse_too_large,
)
from specklenn.core.simulation.structures import Structure, read_structure
from specklenn.core.simulation.truth import LONGEST_TEXT

KINDS = ("pdb", "ent", "cif", "mmcif")
ENDINGS = (".npz", *(f".{kind}{packed}" for kind in KINDS for packed in ("", ".gz")))

MOST_BYTES = 1 << 30
"""Memory for samples made ready, for each process."""


class Extent(NamedTuple):
    """How large a sample is, and what was left out of its file."""

    name: str
    radius_angstrom: float
    waters: int = 0
    ions: int = 0


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sample of an experiment, not loaded yet.

    Parameters
    ----------
    source : Body or function that returns a Structure
    checked : bool
        Whether its size is checked before anything is simulated.
    debris : Debris or None
        Debris that comes with it; the experiment's by default.
    photons : float or None
        Mean photons from a particle of a body in the middle of the focus at
        ``fluence: 1``, whatever the photons of a pulse; as they are by default.
    """

    source: Body | Callable[[], Structure]
    checked: bool = True
    debris: Debris | None = None
    photons: float | None = None

    def prepare(self, geometry: Geometry) -> Sample:
        """Load the sample and make it ready for a detector."""
        if isinstance(self.source, Body):
            return SolidBody(self.source, geometry)
        return Molecule(self.source(), geometry)

    def conditions(
        self, experiment: Experiment, sample: Sample, geometry: Geometry
    ) -> Experiment:
        """Return the experiment as this sample has it, made ready."""
        update: dict[str, object] = {"debris": self.debris or experiment.debris}
        if self.photons is not None:
            assert isinstance(sample, SolidBody)
            mean = mean_photons(sample, geometry) * experiment.beam.fluence
            if mean == 0:
                raise DataError(f"{sample.name}: no photons on the good pixels")
            update["fluence"] = experiment.fluence * self.photons / mean
        return experiment.model_copy(update=update)

    def extent(self) -> Extent:
        """Load the sample; return how large it is."""
        if isinstance(self.source, Body):
            return Extent(self.source.name, self.source.largest_radius_angstrom)
        found = self.source()
        return Extent(found.name, found.radius_angstrom, found.waters, found.ions)


class SampleLibrary:
    """The samples of an experiment: structures, procedural particles, bodies.

    Bodies drawn from a seed come last.

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
        self._experiment = experiment
        self._geometry = geometry
        self._most_bytes = most_bytes
        self._ready: OrderedDict[int, Sample] = OrderedDict()
        self._conditions: dict[int, Experiment] = {}

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

    def conditions(self, number: int) -> Experiment:
        """Return the experiment as a sample has it: with its own debris and fluence.

        Raises
        ------
        DataError
            If the fluence is to be chosen and none of its photons can be seen.
        """
        if number not in self._conditions:
            self._conditions[number] = self.entries[number].conditions(
                self._experiment, self[number], self._geometry
            )
        return self._conditions[number]

    def _held(self) -> int:
        return sum(sample.nbytes for sample in self._ready.values())

    def check(self) -> list[str]:
        """Load every structure once; return what a user should know of them.

        That is what the detector cannot show, and what is left out as solvent.

        Procedural particles are left out: they take long to make and are compact.
        Of random bodies the largest is named, for all of them.

        Raises
        ------
        DataError
            If a structure cannot be read or has too long a name, or a body is too
            large to be simulated.
        """
        for entry in self.entries:
            if isinstance(entry.source, Body):
                refuse_too_large(entry.source, self._geometry)
        sampled = self._geometry.sampled_radius_angstrom
        found = [entry.extent() for entry in self.entries if entry.checked]
        for each in found:
            if len(each.name) > LONGEST_TEXT:
                raise DataError(
                    f"{each.name}: name of a sample of over {LONGEST_TEXT} letters"
                )
        too_large = [
            f"{each.name}: radius {each.radius_angstrom:.0f} angstrom, the detector "
            f"samples particles of up to {sampled:.0f}; finer fringes than its pixels "
            "are aliased"
            for each in found
            if each.radius_angstrom > sampled
        ]
        return [*too_large, *_solvent_left_out(found)]


def _solvent_left_out(found: Sequence[Extent]) -> list[str]:
    """Say how many waters and ions of the files are not simulated."""
    wet = [each for each in found if each.waters or each.ions]
    if not wet:
        return []
    more = f" and {len(wet) - 1} more" if len(wet) > 1 else ""
    waters, ions = sum(each.waters for each in wet), sum(each.ions for each in wet)
    return [f"{wet[0].name}{more}: {waters} waters and {ions} ions left out"]


def _entries(experiment: Experiment) -> Iterator[Entry]:
    for given in experiment.structures:
        file = given if isinstance(given, StructureFile) else StructureFile(file=given)
        for path in find_structures(file.file):
            yield Entry(source=partial(read_structure, path, file.assembly))
    made = experiment.procedural
    for index in range(made.count if made else 0):
        assert made is not None
        slender = index >= made.count - made.slender
        maker = partial(make_particle, made.seed, index, made.atoms, slender)
        yield Entry(source=maker, checked=False)
    for body in experiment.bodies:
        yield Entry(source=body)
    if experiment.random_bodies:
        yield from _drawn(experiment.random_bodies)


def _drawn(settings: RandomBodies) -> Iterator[Entry]:
    drawn = [draw_body(settings, number) for number in range(settings.count)]
    largest = max(body.largest_radius_angstrom for body, _ in drawn)
    for body, debris in drawn:
        yield Entry(
            source=body,
            checked=body.largest_radius_angstrom == largest,
            debris=debris,
            photons=settings.photons,
        )


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
