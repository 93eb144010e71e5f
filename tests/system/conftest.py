"""What is watched of a run while it goes on."""

import time

import h5py
import pytest

PATIENCE_S = 300
"""The machine is shared; what should come comes long before."""


def rows_in(path):
    """Count the rows of a results file that may be being written, or not be there."""
    try:
        with h5py.File(path, "r", swmr=True) as file:
            return len(file["rows"])
    except (OSError, KeyError):
        return 0


@pytest.fixture(scope="session")
def count_rows():
    return rows_in


@pytest.fixture(scope="session")
def wait_for_rows():
    def wait(path, number):
        deadline = time.monotonic() + PATIENCE_S
        while rows_in(path) < number:
            assert time.monotonic() < deadline, "no rows came"
            time.sleep(0.2)

    return wait
