"""Sends the shots of a run as lclstreamer does; a process of its own in the tests.

python lclstreamer_sender.py RUN.cxi COMPRESSION FIRST LAST HOSTILE URL [URL ...]
"""

import io
import sys
import time

import h5py
import hdf5plugin
import numpy as np
import zmq

from specklenn.core.data import labelled_dataset

COMPRESSIONS = {
    "plain": {},
    "gzip": {"compression": "gzip", "compression_opts": 3},
    "bitshuffle": {"compression": hdf5plugin.Bitshuffle(cname="lz4", clevel=0)},
}
BATCH_SHOTS = 10
SECONDS_TO_1990 = 631152000


def serialised(columns, compression):
    """Return a batch as the bytes of an HDF5 file, each shot a chunk of its own."""
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        for name, values in columns.items():
            file.create_dataset(
                name, data=values, chunks=(1, *values.shape[1:]), **compression
            )
    return content.getvalue()


def as_psana(unix_ns):
    """Return times as LCLS-II writes them."""
    seconds = unix_ns // 10**9 - SECONDS_TO_1990
    return (seconds << 32 | unix_ns % 10**9).astype(np.uint64)


def hostile_messages(good):
    """Return what could come instead; eight shots are to be skipped for it."""
    four = {"/data/data": np.ones((4, 30, 30)), "/data/timestamp": np.ones(4)}
    return [
        good[: len(good) // 2],
        np.random.default_rng(0).bytes(20_000),
        serialised({"/data/other": np.ones((2, 30, 30))}, {}),
        serialised(four, {}),
        b"",
    ]


def main(path, compression, first, last, hostile, *urls):
    run = labelled_dataset.read_dataset(path, slice(int(first), int(last)))
    context = zmq.Context()
    socket = context.socket(zmq.PUSH)
    socket.setsockopt(zmq.SNDHWM, 5)
    for url in urls:
        socket.connect(url)
        time.sleep(1)
    for start in range(0, len(run.patterns), BATCH_SHOTS):
        part = slice(start, start + BATCH_SHOTS)
        columns = {
            "/data/data": run.patterns[part],
            "/data/timestamp": as_psana(run.timestamps_ns[part]),
        }
        good = serialised(columns, COMPRESSIONS[compression])
        socket.send(good)
        if int(hostile) and start % 100 == 0:
            for message in hostile_messages(good):
                socket.send(message)
    socket.close(linger=-1)
    context.term()


if __name__ == "__main__":
    main(*sys.argv[1:])
