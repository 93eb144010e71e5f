"""Headers of xtc2 files, written here by hand."""

import os
import struct

import pytest

from specklenn.plugin.sources.psana import xtc2

CONFIGURE, L1_ACCEPT, END_OF_BATCH, END_RUN = 2, 12, 11, 5


def datagram(service, stamp=1, content=b""):
    """A datagram: time, service in bits 24 to 27, three words, what it holds."""
    extent = 12 + len(content)
    return struct.pack("<QIIHHI", stamp, service << 24, 7, 0, 0, extent) + content


@pytest.fixture
def walk(tmp_path):
    """Walk through a file of these bytes."""
    opened = []

    def go(content, offset=0):
        (tmp_path / "a.xtc2").write_bytes(content)
        opened.append(os.open(tmp_path / "a.xtc2", os.O_RDONLY))
        return list(xtc2.walk(opened[-1], offset))

    yield go
    for file in opened:
        os.close(file)


def test_every_datagram_is_found_with_its_place_and_time(walk):
    parts = [
        datagram(CONFIGURE, content=b"names"),
        datagram(L1_ACCEPT, stamp=5 << 32 | 7, content=b"pixels"),
        datagram(END_OF_BATCH, stamp=6 << 32),
        datagram(END_RUN),
    ]

    found = walk(b"".join(parts))

    assert [item.size for item in found] == [len(part) for part in parts]
    assert [item.offset for item in found] == [0, 29, 59, 83]
    assert [item.is_event for item in found] == [False, True, True, False]
    assert found[1].stamp == 5 << 32 | 7
    assert found[0].service == xtc2.CONFIGURE
    assert found[3].service == xtc2.END_RUN


def test_a_walk_can_begin_anywhere(walk):
    first = datagram(CONFIGURE)

    found = walk(first + datagram(L1_ACCEPT, stamp=3), len(first))

    assert [item.stamp for item in found] == [3]


def test_an_event_that_is_cut_off_is_found_with_the_size_that_it_should_have(walk):
    whole = datagram(L1_ACCEPT, content=bytes(1000))

    found = walk(whole + whole[:-300])

    assert [item.size for item in found] == [1024, 1024]


@pytest.mark.parametrize(
    "rest",
    [
        b"",
        b"short",
        bytes(24),
        datagram(13),
        datagram(0),
        struct.pack("<QIIHHI", 1, L1_ACCEPT << 24, 0, 0, 0, 3),
    ],
    ids=["nothing", "half a header", "zeros", "no such service", "no service", "tiny"],
)
def test_a_walk_ends_where_a_header_makes_no_sense(walk, rest):
    assert len(walk(datagram(CONFIGURE) + rest)) == 1
