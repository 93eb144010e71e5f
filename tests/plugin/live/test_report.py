import msgpack
import numpy as np
import pytest

from specklenn.core.rows import empty_rows
from specklenn.plugin.live.report import Report, attach, pack_report, unpack_report


def report():
    rows = empty_rows(5, 3)
    rows["index"] = np.arange(5) + 100
    rows["distances"] = np.arange(15).reshape(5, 3)
    pictures = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    return Report(rows=rows, missed=9, frames=attach([1, 4], pictures))


def test_a_report_arrives_as_it_was_sent():
    found = unpack_report(pack_report(report()), 3)

    assert found.rows.tobytes() == report().rows.tobytes()
    assert found.missed == 9
    np.testing.assert_array_equal(found.frames.positions, [1, 4])
    np.testing.assert_array_equal(found.frames.pictures, report().frames.pictures)
    assert len(found.examples.positions) == 0


def test_pictures_stay_with_their_rows_when_others_are_dropped():
    kept = np.array([False, True, True, False, True])

    found = report().only(kept)
    frames = found.frames

    np.testing.assert_array_equal(
        report().rows[kept]["index"][frames.positions], [101, 104]
    )
    assert found.rows["index"].tolist() == [101, 102, 104]
    assert report().frames.only(~kept).pictures.shape == (0, 4, 6)


def damaged(**changes):
    return msgpack.packb({**msgpack.unpackb(pack_report(report())), **changes})


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b"", "truncated"),
        (pack_report(report())[:-1], "truncated"),
        (damaged(rows=bytes(7)), "multiple of element size"),
        (damaged(missed=-1), r"Expected `int` >= 0 - at `\$.missed`"),
        (damaged(frames=[]), r"Expected `object`, got `array` - at `\$.frames`"),
        (damaged(extra=1), "unknown field `extra`"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(payload, words):
    with pytest.raises(ValueError, match=words):
        unpack_report(payload, 3)
