"""How fast patterns are simulated, and whether they are right, on one core.

``python benchmarks/simulate.py`` measures one structure of 50,000 atoms on 96 x 96
pixels: our ways, the literal sum over atoms, and skopi's CPU path where skopi is
installed, all in one run. ``--structures FOLDER`` times ``specklenn simulate`` for
40,000 patterns of 100 structures and ``--memory`` watches it write 100,000 shots.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

os.environ.setdefault("OMP_NUM_THREADS", "1")

ATOMS = 50_000
SIDE = 96
PATTERNS = 200


def seconds(do: Callable[[], object], times: int) -> float:
    """Return the shortest time of a call."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        do()
        found.append(time.perf_counter() - start)
    return min(found)


def measure_patterns() -> None:
    """Print patterns a second of every way, and errors against the sum over atoms."""
    from specklenn.core.simulation.detector import Detector, Geometry
    from specklenn.core.simulation.noise import Noise, Readout
    from specklenn.core.simulation.particles import make_particle
    from specklenn.core.simulation.rotations import random_rotations
    from specklenn.core.simulation.samples import Molecule
    from specklenn.core.simulation.scattering import (
        amplitudes,
        amplitudes_direct,
        expected_photons,
    )

    structure = make_particle(0, 1, (ATOMS, ATOMS))
    detector = Detector(rows=SIDE, columns=SIDE)
    geometry = Geometry.of(detector)
    rotations = random_rotations(np.random.default_rng(0), PATTERNS)
    print(f"{ATOMS} atoms, radius {structure.radius_angstrom:.0f} angstrom, ", end="")
    print(f"{SIDE} x {SIDE} pixels, one core\n")

    preparation = seconds(lambda: Molecule(structure, geometry), 3)
    molecule = Molecule(structure, geometry)
    form = molecule.draw_form(np.random.default_rng(0))
    readout = Readout(Noise(), detector.mask(), 0)
    random = np.random.default_rng(1)

    def photons(rotation: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        field = molecule.field(rotation, form)
        return expected_photons(field, geometry.cross_sections, 1270.0)

    def shot(rotation: npt.NDArray[np.float64]) -> object:
        return readout.measure(random, photons(rotation).reshape(SIDE, SIDE))

    ours = seconds(lambda: [photons(turn) for turn in rotations], 3) / PATTERNS
    whole = seconds(lambda: [shot(turn) for turn in rotations], 3) / PATTERNS
    batch = rotations[:32]
    third = seconds(lambda: amplitudes(structure, geometry.q, batch), 3) / len(batch)
    turned = rotations[:1]
    start = time.perf_counter()
    exact = amplitudes_direct(structure, geometry.q, turned)[0]
    direct = time.perf_counter() - start
    rows = [
        ("reciprocal grid, expected photons", ours, molecule.field(turned[0], form)),
        ("reciprocal grid, with noise", whole, None),
        ("transform of type 3", third, amplitudes(structure, geometry.q, turned)[0]),
        ("sum over atoms (NumPy)", direct, exact),
    ]
    print(f"preparation of the grid: {preparation:.2f} s\n")
    print(f"{'':36s}{'per pattern':>12s}{'per second':>12s}{'ratio':>10s}   error")
    for name, time_s, field in rows:
        print(_line(name, time_s, ours, field, exact))
    _measure_skopi(structure, detector, turned[0], exact, ours)


def _line(
    name: str,
    time_s: float,
    ours_s: float,
    field: npt.NDArray[np.complexfloating] | None,
    exact: npt.NDArray[np.complexfloating],
) -> str:
    error = ""
    if field is not None:
        error = f"{np.abs(field - exact).max() / np.abs(exact).max():.1e}"
    return (
        f"{name:36s}{time_s * 1e3:9.2f} ms{1 / time_s:12.2f}"
        f"{time_s / ours_s:10.1f}   {error}"
    )


def _measure_skopi(
    structure: object,
    detector: object,
    rotation: npt.NDArray[np.float64],
    exact: npt.NDArray[np.complexfloating],
    ours_s: float,
) -> None:
    """Print the time of skopi's numba sum over atoms, compiled before."""
    try:
        from skopi_cpu import compiled, skopi_pattern
    except ImportError as error:
        print(f"skopi's CPU path: not measured ({error})")
        return
    compiled()
    start = time.perf_counter()
    pattern = skopi_pattern(structure, detector, rotation)
    time_s = time.perf_counter() - start
    truth = (np.abs(exact) ** 2 * detector.cross_sections().ravel()).ravel()
    correlation = np.corrcoef(pattern.ravel(), truth)[0, 1]
    print(_line("skopi 0.6, CPU (sum in numba)", time_s, ours_s, None, exact), end="")
    print(f"1 - correlation {1 - correlation:.0e}")


def measure_dataset(folder: Path, processes: int, structures: int, shots: int) -> None:
    """Time the command for a dataset of real structures."""
    chosen = sorted(folder.glob("*.npz"))[:structures]
    names = ", ".join(str(path.resolve()) for path in chosen)
    _simulate(
        f"structures: [{names}]\n",
        ["--per-class", str(shots // structures // 2)],
        processes,
        f"{shots} patterns of {len(chosen)} structures",
    )


def measure_memory(processes: int, shots: int) -> None:
    """Watch the memory of the command while it writes."""
    text = "procedural: {count: 4, atoms: [5000, 20000]}\ndetector: {rows: 96, "
    text += "columns: 96}\nnoise: {read_noise_photons: 0}\n"
    _simulate(text, ["-n", str(shots)], processes, f"{shots} shots")


def _simulate(config: str, amount: list[str], processes: int, what: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "e.yaml").write_text(config)
        words = ["-m", "specklenn.plugin.cli", "simulate", "e.yaml", "-o", "run.h5"]
        start = time.perf_counter()
        job = subprocess.Popen(
            [sys.executable, *words, *amount, "--processes", str(processes)], cwd=name
        )
        peaks = []
        while job.poll() is None:
            time.sleep(1.0)
            peaks.append((time.perf_counter() - start, memory_mb(job.pid)))
        elapsed = time.perf_counter() - start
        size = (Path(name) / "run.h5").stat().st_size / 1e9
    print(f"{what}, {processes} processes: {elapsed:.0f} s, {size:.2f} GB")
    for share in (0.1, 0.25, 0.5, 0.75, 0.95):
        at, used = peaks[min(int(share * len(peaks)), len(peaks) - 1)]
        print(f"  after {at:5.0f} s: {used:.0f} MB in all processes")


def memory_mb(parent: int) -> float:
    """Return the memory of a process and its children that is theirs alone, MB."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    total = 0
    for pid in (parent, *children):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line[:8] == "Private_")
    return total / 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--structures", type=Path, help="folder of npz structures")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.structures is not None:
        measure_dataset(options.structures, options.processes, 100, 40_000)
    elif options.memory:
        measure_memory(options.processes, 100_000)
    else:
        measure_patterns()


if __name__ == "__main__":
    main()
