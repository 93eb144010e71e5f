"""Principal components and a support vector machine (Bobkov et al., 2015).

The paper classifies patterns by parameters that follow from the physics of
diffraction, with principal component analysis (PCA) and support vector machines. Its
text was not at hand, so which parameters and settings are ours: *angular*, the mean
and the strength of the first angular Fourier components on rings around the beam (the
roots of the Fourier components of a ring's angular autocorrelation), which do not
change when the particle turns in the plane of the detector; and, for comparison,
*pixels*, the prepared pattern as it is. The kernel is Gaussian (RBF), all settings but
the number of components are scikit-learn's defaults.

References
----------
Bobkov, S. A. et al. (2015), Sorting algorithms for single-particle imaging experiments
at X-ray free-electron lasers, J. Synchrotron Rad. 22, 1345-1352,
doi:10.1107/S1600577515017348.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from specklenn.core.errors import MissingPackageError

Inputs = npt.NDArray[np.float32]

COMPONENTS = 20
ORDERS = 12
"""Angular Fourier components of a ring, after the mean."""
ANGLES = 64
AT_ONCE = 512


def angular_features(inputs: Inputs) -> Inputs:
    """Return mean and angular Fourier components of rings around the middle.

    Parameters
    ----------
    inputs : (N, side, side) float32
        Prepared patterns, the beam in the middle.

    Returns
    -------
    (N, (side // 2 - 1) * (1 + ORDERS)) float32
        Ring by ring, from the middle; magnitudes but for the mean.
    """
    side = inputs.shape[-1]
    radii = torch.arange(1, side // 2) * (2 / side)
    angles = torch.arange(ANGLES) * (2 * torch.pi / ANGLES)
    points = torch.stack((torch.cos(angles), torch.sin(angles)), dim=-1)
    grid = radii[:, None, None] * points  # (rings, ANGLES, 2)
    parts = [
        _rings(torch.from_numpy(inputs[at : at + AT_ONCE]), grid)
        for at in range(0, len(inputs), AT_ONCE)
    ]
    return torch.cat(parts).numpy()


def _rings(patterns: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    sampled = functional.grid_sample(
        patterns[:, None], grid.expand(len(patterns), -1, -1, -1), align_corners=False
    )[:, 0]
    waves = torch.fft.rfft(sampled, dim=-1, norm="forward")[..., : ORDERS + 1]
    means = waves[..., :1].real
    return torch.cat((means, waves[..., 1:].abs()), dim=-1).flatten(1)


def fit_machine(features: Inputs, classes: npt.NDArray[np.int64], seed: int) -> Any:
    """Return a fitted pipeline of principal components and support vector machine.

    Parameters
    ----------
    features : (N, …) float32
        Flattened; reduced to `COMPONENTS`, or fewer if there are fewer patterns.
    classes : (N,) int64
    seed : int
        Of the search for components.
    """
    decomposition, svm, pipeline = require_sklearn()
    flat = features.reshape(len(features), -1)
    machine = pipeline.make_pipeline(
        decomposition.PCA(min(COMPONENTS, *flat.shape), random_state=seed), svm.SVC()
    )
    return machine.fit(flat, classes)


def require_sklearn() -> tuple[Any, Any, Any]:
    """Return scikit-learn's modules with PCA, SVC and pipelines.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    try:
        return (
            importlib.import_module("sklearn.decomposition"),
            importlib.import_module("sklearn.svm"),
            importlib.import_module("sklearn.pipeline"),
        )
    except ImportError:
        raise MissingPackageError(
            "PCA + SVM needs scikit-learn; install it with: "
            "pip install 'specklenn[report]'"
        ) from None
