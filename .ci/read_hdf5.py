"""Read everything in HDF5 files: for Pythons with an older HDF5 than ours."""

import sys

import h5py
import hdf5plugin  # noqa: F401  hits of no whole photons are packed by Bitshuffle


def read(name, item):
    """Read a dataset and the attributes of anything."""
    dict(item.attrs)
    if isinstance(item, h5py.Dataset):
        item[()]


for path in sys.argv[1:]:
    with h5py.File(path, "r") as file:
        read("/", file)
        file.visititems(read)
print(f"HDF5 {h5py.version.hdf5_version}: {len(sys.argv) - 1} files")
