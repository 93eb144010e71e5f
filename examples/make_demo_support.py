"""Make the packaged support file of the demo, configs/support/demo.h5.

Five shots per class from behind the end of the demo's run, so that none of them
is ever a query. Run it from the repository when configs/demo.yaml changes:
``python examples/make_demo_support.py configs/support/demo.h5``.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

from specklenn.core.config.loading import load_config
from specklenn.core.data import labelled_dataset
from specklenn.core.data.dataset_writer import open_for_writing
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.simulation.simulator import PooledSimulator
from specklenn.plugin.packaged_configs import find_config
from specklenn.plugin.sources.simulated import SimulatedSettings

FIRST_SHOT = 1_000_000
PER_CLASS = 5
STEP_PHOTONS = 1 / 32
"""Patterns are rounded to this, far below the read noise, so that gzip can work."""


def main(target: Path) -> None:
    """Write the support file."""
    source = load_config(find_config("demo")).settings.source
    assert isinstance(source, SimulatedSettings)
    simulator = PooledSimulator(source.experiment)
    drawn = simulator.shots(np.arange(FIRST_SHOT, FIRST_SHOT + 400))
    chosen = np.concatenate(
        [
            np.flatnonzero(drawn.labels == name)[:PER_CLASS]
            for name in (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)
        ]
    )
    patterns = np.round(drawn.patterns[chosen] / STEP_PHOTONS) * STEP_PHOTONS
    with open_for_writing(target) as file:
        file.create_dataset(
            labelled_dataset.DATA,
            data=patterns.astype(np.float32),
            chunks=(1, *patterns.shape[1:]),
            compression="gzip",
            compression_opts=9,
            shuffle=True,
        )
        file.create_dataset(labelled_dataset.MASK, data=simulator.mask.astype(np.uint8))
        labels = np.char.encode(drawn.labels[chosen], "utf-8")
        file.create_dataset(
            labelled_dataset.LABEL, data=labels.astype(h5py.string_dtype("utf-8", 64))
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
