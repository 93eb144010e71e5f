"""A file that another process is writing: its shots are seen when they are whole."""

import numpy as np
import pytest

from specklenn.core.data.growing_file import GrowingFile, WriterBusyError
from specklenn.core.data.hdf5_file import open_file
from specklenn.core.data.labelled_dataset import (
    DATA,
    LABEL,
    MASK,
    TIMESTAMP,
    DatasetNames,
    LabelledDataset,
)
from specklenn.core.errors import DataError

BEGIN = (
    "f = h5py.File('run.h5', 'w', libver='latest')",
    f"d = f.create_dataset('{DATA}', (0, 4, 5), 'u2', maxshape=(None, 4, 5), "
    "chunks=(CHUNK, 4, 5))",
)
SHARE = ("f.swmr_mode = True", "f.flush()")
TIMES = (
    f"t = f.create_dataset('{TIMESTAMP}', (0,), 'u8', maxshape=(None,), chunks=(9,))"
)


def begin(chunk=1):
    return [line.replace("CHUNK", str(chunk)) for line in BEGIN]


def room(number):
    return f"d.resize({number}, 0); f.flush()"


def fill(start, stop):
    """Write shots whose pixels are their number from 1."""
    return (
        f"d.resize(max(len(d), {stop}), 0); "
        f"d[{start}:{stop}] = np.arange({start + 1}, {stop + 1})[:, None, None]; "
        "f.flush()"
    )


def times(start, stop):
    return (
        f"t.resize(max(len(t), {stop}), 0); "
        f"t[{start}:{stop}] = np.arange({start}, {stop}) + 10**18; t.flush()"
    )


@pytest.fixture
def file(tmp_path):
    made = GrowingFile(tmp_path / "run.h5", DatasetNames())
    yield made
    made.close()


def numbers(file):
    """Read all shots that were seen; their pixels say which they are."""
    return (file.get().frames()[:, 0, 0].astype(int) - 1).tolist()


def test_shots_are_seen_as_they_are_flushed(file, writer):
    seen = [file.look()]
    writer.do(*begin(), *SHARE)
    seen.append(file.look())
    for start, stop in [(0, 3), (3, 4), (4, 9)]:
        writer.do(fill(start, stop))
        seen.append(file.look())
        assert numbers(file) == list(range(stop))

    assert seen == [0, 0, 3, 4, 9]
    assert file.being_written


@pytest.mark.parametrize("chunk", [1, 4, 16])
def test_room_without_shots_is_no_shot(file, writer, chunk):
    writer.do(*begin(chunk), *SHARE, fill(0, 3), room(30))

    assert file.look() == 3
    writer.do(fill(3, 6))
    assert file.look() == 6
    assert numbers(file) == list(range(6))


def test_room_for_the_whole_run_is_filled_shot_by_shot(file, writer):
    writer.do(*begin(), room(1000), *SHARE)
    assert file.look() == 0

    for start, stop in [(0, 1), (1, 70), (70, 400)]:
        writer.do(fill(start, stop))
        assert file.look() == stop
    assert (file.shots, file.room) == (400, 1000)


def test_shots_that_a_writer_left_out_do_not_stop_the_others(file, writer):
    writer.do(*begin(), *SHARE, fill(0, 2))
    file.look()
    writer.do(fill(5, 7))

    assert file.look() == 7
    assert numbers(file) == [0, 1, -1, -1, -1, 5, 6]


def test_times_that_lag_hold_their_shots_back(file, writer):
    writer.do(*begin(), TIMES, *SHARE, fill(0, 4), times(0, 2))
    assert file.look() == 2

    writer.do("t.resize(4, 0); t.flush()")
    assert file.look() == 2
    writer.do(times(2, 4))
    assert file.look() == 4
    assert file.get().times_of(np.arange(1, 4)).tolist() == [
        10**18 + i for i in (1, 2, 3)
    ]


def test_a_run_without_any_known_time_is_followed_all_the_same(file, writer):
    writer.do(*begin(), TIMES, *SHARE, fill(0, 4))
    writer.do("t.resize(4, 0); t[:] = 0; t.flush()")

    assert file.look() == 4


def test_masks_of_every_shot_that_lag_hold_their_shots_back(file, writer):
    masks = f"m = f.create_dataset('{MASK}', (0, 4, 5), 'u1', maxshape=(None, 4, 5))"
    writer.do(
        *begin(), masks, *SHARE, fill(0, 4), "m.resize(3, 0); m[:] = 1; f.flush()"
    )

    assert file.look() == 3
    assert file.get().bad_in([2]).all()


def test_labels_are_read_with_their_shots(file, writer):
    labels = f"l = f.create_dataset('{LABEL}', (0,), 'S9', maxshape=(None,))"
    writer.do(*begin(), labels, *SHARE, fill(0, 3))
    writer.do("l.resize(2, 0); l[:] = [b'a', b'b']; f.flush()")

    assert file.look() == 2
    assert file.get().texts_of(np.array([1])).tolist() == ["b"]


def again(start, stop):
    """Open the file, append, close it, as many writers do."""
    return (
        "f = h5py.File('run.h5', 'a')",
        f"d = f.require_dataset('{DATA}', ({start}, 4, 5), 'u2', "
        "maxshape=(None, 4, 5), chunks=(3, 4, 5))",
        fill(start, stop),
        "f.close()",
    )


def test_a_writer_that_opens_the_file_again_is_never_refused(file, writer):
    for start, stop in [(0, 2), (2, 3), (3, 9)]:
        writer.do(*again(start, stop))
        assert file.look() == stop
        assert numbers(file) == list(range(stop))
    assert not file.being_written


def test_a_file_that_its_writer_has_open_is_looked_at_later(file, writer):
    writer.do(*again(0, 2))
    file.look()
    opened, *rest = again(2, 4)
    writer.do(opened)

    assert file.look() == 2
    with pytest.raises(WriterBusyError):
        GrowingFile(file.path, DatasetNames()).get()
    writer.do(*rest)
    assert file.look() == 4
    assert file.problem == ""


def test_what_was_read_while_the_writer_came_back_is_refused(file, writer):
    writer.do(*again(0, 2))
    file.look()
    file.get().frames()
    writer.do(*again(2, 3))

    with pytest.raises(WriterBusyError, match="written while it was read"):
        file.check_unchanged()


def test_a_killed_writer_leaves_what_it_flushed(file, writer):
    writer.do(*begin(), *SHARE, fill(0, 3), "d.resize(5, 0)")
    writer.kill()

    assert file.look(to_the_end=True) == 3
    assert file.being_written


def test_a_writer_that_closes_the_file_is_noticed(file, writer):
    writer.do(*begin(), *SHARE, fill(0, 3))
    file.look()
    assert not file.was_closed
    writer.do(fill(3, 5), "f.close()")

    assert file.look() == 5
    assert file.was_closed
    assert not file.being_written


def test_dark_shots_at_the_end_are_shots_once_nothing_more_comes(file, writer):
    writer.do(
        *begin(chunk=8), *SHARE, fill(0, 3), "d.resize(6, 0); d[3:] = 0; f.flush()"
    )

    assert file.look() == 3
    assert file.look(to_the_end=True) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("os.remove('run.h5')", "run.h5: no such file or folder: it was there before"),
        (
            "os.rename('run.h5', 'x.h5'); open('run.h5', 'w').write('x' * 99)",
            "run.h5: another file came in its place while it was followed, 3 shots",
        ),
        (
            "f = h5py.File('run.h5', 'r+'); f['DATA'].resize(1, 0); f.close()",
            "run.h5: 1 shots found where 3 were before: it was cut or begun anew",
        ),
    ],
)
def test_a_file_that_is_not_the_same_any_more_is_refused(file, writer, change, words):
    writer.do(*again(0, 3))
    file.look()
    writer.do(change.replace("DATA", DATA))

    with pytest.raises(DataError) as refused:
        file.look()
    assert words in str(refused.value)


def modules(number):
    """Begin a file a module, and a virtual dataset without end of them."""
    parts = [
        "fs = [h5py.File(f'm{i}.h5', 'w', libver='latest') for i in range(NUMBER)]",
        "ds = [f.create_dataset('x', (0, 4, 5), 'u2', maxshape=(None, 4, 5), "
        "chunks=(1, 4, 5)) for f in fs]",
        "[setattr(f, 'swmr_mode', True) for f in fs]",
        "a = h5py.VirtualLayout((1, NUMBER, 4, 5), 'u2', (None, NUMBER, 4, 5))",
        "E = h5py.h5s.UNLIMITED",
        "v = [h5py.VirtualSource(f'm{i}.h5', 'x', (1, 4, 5), maxshape=(None, 4, 5)) "
        "for i in range(NUMBER)]",
        "[a.__setitem__((slice(E), i), v[i][:E]) for i in range(NUMBER)]",
        "w = h5py.File('run.h5', 'w', libver='latest')",
        f"w.create_virtual_dataset('{DATA}', a)",
        "w.close()",
    ]
    return [line.replace("NUMBER", str(number)) for line in parts]


def module(number, start, stop):
    return f"d = ds[{number}]; f = fs[{number}]; " + fill(start, stop).replace(
        "np.arange", f"{number} + np.arange"
    )


def test_a_virtual_dataset_goes_as_far_as_all_of_its_files(file, writer):
    writer.do(*modules(2), module(0, 0, 3), module(1, 0, 2))
    assert file.look() == 2

    writer.do(module(1, 2, 7), module(0, 3, 5))
    assert file.look() == 5
    frames = file.get().frames()
    assert frames[:, [0, 4], 0].tolist() == [[i + 1, i + 2] for i in range(5)]


def test_a_file_of_a_virtual_dataset_that_is_away_for_a_while_cuts_nothing(
    file, writer
):
    writer.do(*modules(2), module(0, 0, 3), module(1, 0, 3))
    assert file.look() == 3
    writer.do("os.rename('m1.h5', 'away.h5')")
    assert file.look() == 3
    assert "only 0 shots can be read just now" in file.problem
    writer.do("os.rename('away.h5', 'm1.h5')", module(0, 3, 4), module(1, 3, 4))

    assert file.look() == 4


def test_a_virtual_dataset_of_closed_files_of_unequal_length_lacks_shots(
    tmp_path, writer
):
    writer.do(*modules(2), module(0, 0, 3), module(1, 0, 2), "[f.close() for f in fs]")

    with LabelledDataset(tmp_path / "run.h5") as opened:
        assert "1 of 3 shots cannot be read" in opened.notes[0]
        assert "m1.h5: 2 of its shots found, more expected" in opened.notes[0]
        assert opened.frames([1]).any()
        with pytest.raises(DataError, match="shot 2 cannot be read"):
            opened.frames([2])


def test_another_reader_in_this_process_may_open_a_followed_file(file, writer):
    writer.do(*begin(), *SHARE, fill(0, 3))
    file.look()

    with open_file(file.path) as other:
        assert len(other[DATA]) == 3


def test_a_change_that_leaves_size_and_time_as_they_were_is_seen_soon(file, writer):
    writer.do(*again(0, 2), "s = os.stat('run.h5')")
    assert file.look() == 2
    # As two appends within one tick of the file system's clock.
    writer.do(
        *again(2, 3),
        "n = os.stat('run.h5').st_size; os.truncate('run.h5', max(n, s.st_size))",
        "os.utime('run.h5', ns=(s.st_atime_ns, s.st_mtime_ns))",
    )

    assert file.look() == 3
