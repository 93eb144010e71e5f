"""Amplitudes and expected photons of particles (docs/physics.md, "One pattern").

`amplitudes_direct` is the sum over atoms as it stands in the equations, slow
and exact, to test `amplitudes`, which makes one non-uniform Fourier
transform of type 3 for a whole batch of orientations: the atoms are spread
once and only the interpolation is paid per pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from specklenn.core.simulation.grid import load_finufft
from specklenn.core.simulation.structures import Structure, load_gemmi

Amplitudes = npt.NDArray[np.complex64]
Vectors = npt.NDArray[np.float64]

FORM_FACTOR_TOLERANCE = 1e-4
TRANSFORM_TOLERANCE = 1e-5
POINTS_PER_TRANSFORM = 500_000
"""Bounds the memory of one transform to some tens of megabytes."""


def form_factors(elements: npt.NDArray[np.uint8], q: Vectors) -> Vectors:
    """Return f_a(|q|) of each element, (E, P) float64, electrons.

    Parameters
    ----------
    elements : (E,) uint8
        Atomic numbers.
    q : (P,) float64, 1/angstrom
        Length of the scattering vector, 4 pi sin(theta) / wavelength.

    References
    ----------
    International Tables for Crystallography C (1992), table 6.1.1.4, through gemmi.
    """
    gemmi = load_gemmi()
    squared = (np.asarray(q) / (4 * np.pi)) ** 2
    rows = []
    for element in elements:
        table = gemmi.Element(int(element)).it92
        falls = np.exp(-np.multiply.outer(np.array(table.b), squared))
        rows.append(np.array(table.a) @ falls + table.c)
    return np.array(rows)


def amplitudes_direct(
    structure: Structure, q: Vectors, rotations: Vectors
) -> npt.NDArray[np.complex128]:
    """Return F(R^T q) by summing over atoms.

    Parameters
    ----------
    structure : Structure
    q : (P, 3) float64, 1/angstrom
    rotations : (n, 3, 3) float64

    Returns
    -------
    (n, P) complex128, electrons
    """
    elements, kinds = np.unique(structure.atomic_numbers, return_inverse=True)
    factors = form_factors(elements, np.linalg.norm(q, axis=1))
    positions = structure.positions.astype(np.float64)
    result = np.zeros((len(rotations), len(q)), np.complex128)
    for orientation, rotation in enumerate(rotations):
        rotated = positions @ rotation.T
        for kind in range(len(elements)):
            phases = np.exp(1j * (q @ rotated[kinds == kind].T))
            result[orientation] += factors[kind] * phases.sum(axis=1)
    return result


def amplitudes(structure: Structure, q: Vectors, rotations: Vectors) -> Amplitudes:
    """Return F(R^T q) by non-uniform fast Fourier transform.

    The form factors of all elements are a combination of one or two common
    curves to `FORM_FACTOR_TOLERANCE`; each curve costs one transform.

    Parameters
    ----------
    structure : Structure
    q : (P, 3) float64, 1/angstrom
    rotations : (n, 3, 3) float64

    Returns
    -------
    (n, P) complex64, electrons
    """
    weights, curves = common_curves(structure, np.linalg.norm(q, axis=1))
    batch = max(1, POINTS_PER_TRANSFORM // len(q))
    result = np.empty((len(rotations), len(q)), np.complex64)
    for first in range(0, len(rotations), batch):
        chosen = rotations[first : first + batch]
        targets = np.moveaxis(q @ chosen, 2, 0).astype(np.float32, order="C")
        values = _transform(structure.positions, weights, targets)
        result[first : first + batch] = (curves[:, None] * values).sum(axis=0)
    return result


def expected_photons(
    field: Amplitudes, cross_sections: Vectors, fluence: float
) -> npt.NDArray[np.float32]:
    """Return expected photons per pixel.

    Parameters
    ----------
    field : (..., P) complex64, electrons
    cross_sections : (P,) float64, square angstrom
        See `Detector.cross_sections`.
    fluence : float
        Photons per square angstrom.

    Returns
    -------
    (..., P) float32, photons per pixel
    """
    scale = (fluence * cross_sections).astype(np.float32)
    return scale * (field.real**2 + field.imag**2)


def common_curves(
    structure: Structure, q: Vectors
) -> tuple[Amplitudes, npt.NDArray[np.float32]]:
    """Split form factors into (c, N) weights of atoms and (c, P) curves over q."""
    elements, kinds = np.unique(structure.atomic_numbers, return_inverse=True)
    factors = form_factors(elements, q)
    left, strengths, right = np.linalg.svd(factors, full_matrices=False)
    kept = max(1, int((strengths > FORM_FACTOR_TOLERANCE * strengths[0]).sum()))
    weights = (left[:, :kept] * strengths[:kept]).T[:, kinds]
    return weights.astype(np.complex64), right[:kept].astype(np.float32)


def _transform(
    positions: npt.NDArray[np.float32],
    weights: Amplitudes,
    targets: npt.NDArray[np.float32],
) -> Amplitudes:
    """Return sums of weights exp(i q . r): (c, N), (3, n, P) to (c, n, P)."""
    x, y, z = np.ascontiguousarray(positions.T)
    s, t, u = targets.reshape(3, -1)
    strengths = np.ascontiguousarray(weights)
    values = load_finufft().nufft3d3(
        *(x, y, z, strengths, s, t, u), isign=1, eps=TRANSFORM_TOLERANCE, nthreads=1
    )
    shaped: Amplitudes = values.reshape(len(weights), *targets.shape[1:])
    return shaped
