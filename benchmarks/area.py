"""What reading a part of the detector saves, on one core.

Run ``python benchmarks/area.py``. A run of 16 modules of 128 x 512 pixels, uint16, is
written twice, with a chunk for each module and with a chunk for each frame, as it comes
and compressed; then shots are read, and read and cropped, with all modules and with
fewer of them. Everything is in the same run and read from the page cache, and seconds
are those of the processor, so that other programs disturb little; beside the rates are
the gains over all modules of the same file.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np

from specklenn.core.data import labelled_dataset
from specklenn.core.data.detector_area import Area, area_mask, modules_with
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.plugin.sources.hdf5 import Hdf5Source

MODULES, ROWS, COLUMNS = 16, 128, 512
FRAME = (MODULES * ROWS, COLUMNS)
SHOTS = 48
BATCH = 16
PASSES = 12
AREAS = {
    "all 16 modules": Area(),
    "8 modules": Area(modules=tuple(range(4, 12))),
    "4 modules": Area(modules=tuple(range(6, 10))),
    "1 module": Area(modules=(7,)),
}
COMPRESSIONS: dict[str, Mapping[str, Any]] = {
    "as it is": {},
    "bitshuffle + LZ4": hdf5plugin.Bitshuffle(cname="lz4"),
}


def write(path: Path, chunk_modules: int, compression: Mapping[str, Any]) -> None:
    """Write a run with this many modules in a chunk."""
    random = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            labelled_dataset.DATA,
            shape=(SHOTS, MODULES, ROWS, COLUMNS),
            dtype=np.uint16,
            chunks=(1, chunk_modules, ROWS, COLUMNS),
            **compression,
        )
        for shot in range(SHOTS):
            data[shot] = random.poisson(0.3, (MODULES, ROWS, COLUMNS))


def rates(path: Path, area: Area) -> np.ndarray:
    """Return the shots a second that are read, and read and cropped."""
    mask = area_mask(area, FRAME, MODULES)
    source = Hdf5Source([path])
    source.read_only(modules_with(~mask, MODULES))
    preprocessor = Preprocessor(Preprocessing(crop=256, bin=4), FRAME, mask)

    def read_all(use: Callable[[np.ndarray], object]) -> None:
        for start in range(0, SHOTS, BATCH):
            use(source.read(start, start + BATCH).frames)

    read = per_second(lambda: read_all(len))
    cropped = per_second(lambda: read_all(preprocessor.crop))
    source.close()
    return np.array([read, cropped])


def per_second(do: Callable[[], object]) -> float:
    """Return shots per second of the processor: the fastest of some passes."""
    fastest = float("inf")
    for _ in range(PASSES):
        start = time.process_time()
        do()
        fastest = min(fastest, time.process_time() - start)
    return SHOTS / fastest


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for words, compression in COMPRESSIONS.items():
            for name, chunk_modules in (("module", 1), ("frame", MODULES)):
                path = Path(folder) / "run.h5"
                write(path, chunk_modules, compression)
                print(f"{words}, a chunk for each {name}")
                found = {key: rates(path, area) for key, area in AREAS.items()}
                whole = found["all 16 modules"]
                for key, (read, cropped) in found.items():
                    print(
                        f"  {key:14s} read {read:6.0f} shots/s {read / whole[0]:6.2f}"
                        f"   and cropped {cropped:6.0f} {cropped / whole[1]:6.2f}"
                    )


if __name__ == "__main__":
    main()
