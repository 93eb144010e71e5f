"""A run opened so that its shots can be looked at, as its configuration says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from specklenn.core.config.loading import LoadedConfig
from specklenn.core.data.shots import DetectorRun, IndexedSource
from specklenn.core.network.checkpoint import Checkpoint
from specklenn.core.preprocess import Preprocessor
from specklenn.plugin.sources.hdf5 import Hdf5Source
from specklenn.plugin.startup import load_mask, load_model
from specklenn.plugin.startup_area import make_preprocessor, use_area


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenedRun:
    """How the shots of a run are seen.

    Parameters
    ----------
    model : Checkpoint
    preprocessor : Preprocessor
        With the mask in use.
    notes : tuple of str
        On the detector's area and the units of its values, a sentence each.
    """

    model: Checkpoint
    preprocessor: Preprocessor
    notes: tuple[str, ...]


def look_through(loaded: LoadedConfig, source: IndexedSource) -> OpenedRun:
    """Load the model and the masks of a run that is open.

    Raises
    ------
    ConfigError, DataError
        If anything cannot be opened, or does not fit.
    """
    model = load_model(loaded)
    own, settings = model.preprocessing, loaded.settings
    known = source.mask() if isinstance(source, DetectorRun) else None
    extra = load_mask(loaded, source.shape)
    masks = [mask for mask in (known, extra) if mask is not None]
    bad = np.logical_or.reduce(masks) if masks else None
    used = use_area(loaded, own, source.shape, bad, source)
    preprocessor = make_preprocessor(settings, own, source.shape, used.mask)
    if isinstance(source, Hdf5Source):
        source.check_calibration(preprocessor.calibrated)
    notes = (*used.notes, *used.check_units(preprocessor))
    return OpenedRun(model=model, preprocessor=preprocessor, notes=notes)
