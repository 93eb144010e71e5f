"""Whatever a Karabo bridge or an xtc2 file says, shots are read or flagged."""

import os
import random

import numpy as np
import pytest

from specklenn.plugin.sources.psana import xtc2

SOURCE = "SPB_DET_AGIPD1M-1/CAL/APPEND_CORRECTED"
PULSES = 3
TOKENS = (
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xcf" + b"\xff" * 8,
    b"\x91" * 2000,
    b"\x80",
    b"\xc0",
    b"float64",
    b"object",
    b"|O",
)


@pytest.mark.hosts
def test_a_train_of_a_bridge_is_read_or_flagged(hostile):
    karabo_bridge = pytest.importorskip("karabo_bridge")
    from specklenn.plugin.sources.euxfel.bridge_train import TrainReader
    from specklenn.plugin.sources.euxfel.karabo_bridge import KaraboBridgeSettings

    settings = KaraboBridgeSettings(
        kind="karabo-bridge", endpoints="tcp://127.0.0.1:4545", source=SOURCE
    )
    pixels = np.ones((PULSES, 2, 8, 4), np.float32)
    meta = {SOURCE: {"source": SOURCE, "timestamp.tid": 7, "timestamp.sec": "17"}}
    parts = [
        bytes(part)
        for part in karabo_bridge.serialize({SOURCE: {"image.data": pixels}}, meta)
    ]
    draw = random.Random(0)

    for content in hostile(*parts, tokens=TOKENS):
        at = draw.randrange(len(parts))
        damaged = [*parts[:at], content, *parts[at + draw.choice((0, 1)) :]]
        train = TrainReader(settings, SOURCE).read(damaged, 10**18)
        assert len(train.frames) == len(train.flags) == len(train.timestamp_ns)


def test_walking_through_an_xtc2_file_ends(hostile, tmp_path):
    header = xtc2.HEADER.pack(1 << 32, 12 << 24, 0, 0, 0, xtc2.SMALLEST_EXTENT + 4)
    path = tmp_path / "a.xtc2"
    for content in hostile((header + b"data") * 5):
        path.write_bytes(content)
        file = os.open(path, os.O_RDONLY)
        try:
            found = list(xtc2.walk(file))
        finally:
            os.close(file)
        assert len(found) <= len(content) // xtc2.HEADER.size + 1
