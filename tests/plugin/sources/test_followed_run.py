"""A run of files that another process is writing."""

import os
import time

import h5py
import numpy as np
import pytest

from specklenn.core.data.labelled_dataset import DATA, DatasetNames
from specklenn.core.errors import DataError
from specklenn.plugin.live.scheduler import GrowingScheduler
from specklenn.plugin.sources import followed_run
from specklenn.plugin.sources.followed_run import FollowedRun
from specklenn.plugin.sources.hdf5 import Hdf5Settings, Hdf5Source, RunEnd


def append(name, start, stop):
    """Open a file, write shots whose pixels are their number from 1, close it."""
    return (
        f"f = h5py.File('{name}', 'a'); "
        f"d = f.require_dataset('{DATA}', ({start}, 4, 5), 'u2', "
        "maxshape=(None, 4, 5), chunks=(1, 4, 5)); "
        f"d.resize({stop}, 0); "
        f"d[{start}:] = np.arange({start + 1}, {stop + 1})[:, None, None]; f.close()"
    )


def share(name, stop):
    """Begin a file that others may read while it is written."""
    return (
        f"f = h5py.File('{name}', 'w', libver='latest'); "
        f"d = f.create_dataset('{DATA}', ({stop}, 4, 5), 'u2', "
        "maxshape=(None, 4, 5), chunks=(1, 4, 5)); "
        f"d[:] = np.arange(1, {stop + 1})[:, None, None]; "
        "f.swmr_mode = True; f.flush()"
    )


def more(start, stop):
    return (
        f"d.resize({stop}, 0); "
        f"d[{start}:] = np.arange({start + 1}, {stop + 1})[:, None, None]; f.flush()"
    )


@pytest.fixture
def follow(tmp_path, clock):
    """Follow files of this test's folder, ten seconds after they were written."""
    clock.now = time.time() + 10
    made = []

    def open_run(*names, end=None, **options):
        end = end or RunEnd(idle_s=30)
        paths = [tmp_path / name for name in names]
        run = FollowedRun(paths, DatasetNames(), end=end, clock=clock, **options)
        made.append(run)
        return run

    yield open_run
    for run in made:
        run.close()


def numbers(run, start=0, stop=None):
    shots = run.read(start, run.stop if stop is None else stop)
    assert not shots.flags.any()
    return (shots.frames[:, 0, 0].astype(int) - 1).tolist()


def test_a_run_grows_with_its_file_and_ends_with_its_writer(follow, writer):
    writer.do(share("run.h5", 3))
    run = follow("run.h5")
    stops = [run.stop]
    for start, stop in [(3, 4), (4, 20)]:
        writer.do(more(start, stop))
        run.look()
        stops.append(run.stop)
    assert not run.over
    writer.do("f.close()")
    run.look()

    assert stops == [3, 4, 20]
    assert numbers(run) == list(range(20))
    assert run.over
    assert run.closing_notes() == []


def test_silence_ends_a_run_and_says_how_to_go_on(follow, writer, clock):
    writer.do(append("run.h5", 0, 3))
    run = follow("run.h5")
    clock.now += 29
    run.look()
    assert not run.over
    assert run.stall_reason.endswith("run.h5: no new shot since " + run._changed_at)
    writer.do(append("run.h5", 3, 5))
    run.look()
    assert (run.stop, run.stall_reason) == (5, "")
    clock.now += 31
    run.look()

    assert run.over
    (note,) = run.closing_notes()
    assert "run.h5: no new shot for 30 s, which ends the run" in note
    assert "--set source.first_shot=5 and another output.folder go on" in note


def test_of_a_writer_that_died_the_end_says_so(follow, writer, clock):
    writer.do(share("run.h5", 3), "d.resize(9, 0)", "f.flush()")
    run = follow("run.h5")
    writer.kill()
    clock.now += 31
    run.look()

    assert (run.over, run.stop) == (True, 3)
    assert "its writer has not closed it: it goes on, or died" in run.closing_notes()[0]
    assert run.closing_notes()[1].endswith("room for 9 shots, 3 were written")


def test_without_a_silence_only_a_file_or_the_writer_ends_a_run(
    follow, writer, clock, tmp_path
):
    writer.do(append("run.h5", 0, 3))
    run = follow("run.h5", end=RunEnd(file=tmp_path / "done"))
    clock.now += 1e6
    run.look()
    assert not run.over

    writer.do(append("run.h5", 3, 7))
    (tmp_path / "done").touch()
    run.look()
    assert (run.over, run.stop) == (True, 7)
    assert run.closing_notes() == []


def test_a_run_ends_with_the_last_shot_that_is_wanted(follow, writer):
    writer.do(share("run.h5", 3))
    run = follow("run.h5", first=2, last=5)
    assert (run.first, run.stop) == (2, 3)
    writer.do(more(3, 9))
    run.look()
    run.look()

    assert (run.over, run.stop) == (True, 5)
    assert numbers(run, 2) == [2, 3, 4]


def test_files_that_come_later_follow_in_the_order_of_their_numbers(
    follow, writer, clock
):
    writer.do(append("run_9.h5", 0, 3))
    run = follow("run_*.h5")
    writer.do(append("run_10.h5", 0, 2))
    run.look()
    assert run.stop == 5
    writer.do(append("run_11.h5", 0, 4), append("run_10.h5", 2, 3))
    clock.now = time.time()
    run.look()
    assert run.stop == 6, "the file before may not be complete yet"
    clock.now = time.time() + 10
    run.look()

    assert numbers(run) == [0, 1, 2, 0, 1, 2, 0, 1, 2, 3]


def test_a_file_that_comes_too_late_is_told(follow, writer, clock):
    writer.do(append("run_2.h5", 0, 3), append("run_3.h5", 0, 3))
    run = follow("run_*.h5")
    writer.do(append("run_1.h5", 0, 3))
    run.look()

    assert run.stop == 6
    assert "run_1.h5: came after" in run.closing_notes()[0]


def test_named_files_need_not_be_there_yet(follow, writer):
    writer.do(append("a.h5", 0, 3))
    run = follow("a.h5", "b.h5")
    assert not run.over
    writer.do(append("b.h5", 0, 2))
    run.look()

    assert numbers(run) == [0, 1, 2, 0, 1]


def test_a_file_whose_writer_died_gives_way_to_the_next(follow, writer, clock):
    writer.do(share("a.h5", 3))
    run = follow("a.h5", "b.h5")
    writer.do("e = f", append("b.h5", 0, 2))
    run.look()
    assert run.stop == 3
    clock.now += 31
    run._changed_s += 31
    run.look()

    assert run.stop == 5


def test_a_rank_reads_what_rank_0_has_seen_wherever_it_lies(follow, writer, tmp_path):
    writer.do(append("run_1.h5", 0, 3))
    worker = follow("run_*.h5")
    worker.close()  # within one process HDF5 would show the other one the same
    writer.do(append("run_1.h5", 3, 5), append("run_2.h5", 0, 4))
    collector = follow("run_*.h5")
    assert (worker.stop, collector.stop) == (3, 9)
    leases = [(a, b, collector.places(a, b)) for a, b in [(2, 6), (6, 9)]]
    collector.close()

    for lease in leases:
        worker.learn(*lease)
    assert worker.ready(2, 6)
    assert numbers(worker, 2, 6) == [2, 3, 4, 0]
    assert worker.ready(7, 9)
    assert numbers(worker, 7, 9) == [2, 3]


def test_a_rank_waits_for_shots_that_it_does_not_see_yet(follow, writer, clock):
    writer.do(append("run.h5", 0, 3))
    run = follow("run.h5")
    path = str(run._parts[0].path)
    run.learn(3, 5, [(path, [3, 4])])
    assert not run.ready(3, 5)
    writer.do(append("run.h5", 3, 5))
    assert run.ready(3, 5)

    run.learn(5, 6, [(path, [5])])
    assert not run.ready(5, 6)
    clock.now += followed_run.PATIENCE_S + 1
    with pytest.raises(DataError, match="5 shots seen here, rank 0 has seen 6; waited"):
        run.ready(5, 6)


def test_a_rank_waits_while_the_writer_has_the_file(follow, writer):
    writer.do(append("run.h5", 0, 3))
    run = follow("run.h5")
    run.close()
    writer.do("f = h5py.File('run.h5', 'a')")
    reads = []

    def close_meanwhile(seconds):
        reads.append(seconds)
        writer.do("f.close()")

    sleep, followed_run.time.sleep = time.sleep, close_meanwhile
    try:
        assert numbers(run) == [0, 1, 2]
    finally:
        followed_run.time.sleep = sleep
    assert len(reads) == 1


def test_leases_come_with_the_shots_until_the_run_is_over(follow, writer, tmp_path):
    writer.do(share("run.h5", 3))
    run = follow("run.h5")
    scheduler = GrowingScheduler(run, workers=2, lease_shots=64)
    leases = [scheduler.request(1), scheduler.request(2)]
    writer.do(more(3, 5))
    scheduler.look()
    leases.append(scheduler.request(2))
    scheduler.end(1)
    leases.append(scheduler.request(2))

    assert leases == [(0, 3), None, (3, 5), (0, 3)]
    assert scheduler.places((3, 5)) == [(str(tmp_path / "run.h5"), [3, 4])]
    assert scheduler.expected == 0
    assert not scheduler.finished


def test_a_file_that_is_cut_fails_the_run(follow, writer):
    writer.do(append("run.h5", 0, 3))
    scheduler = GrowingScheduler(follow("run.h5"), workers=1, lease_shots=64)
    writer.do(f"f = h5py.File('run.h5', 'a'); f['{DATA}'].resize(1, 0); f.close()")
    scheduler.look()

    assert "1 shots found where 3 were before" in scheduler.failure


def settings(tmp_path, **more):
    return Hdf5Settings(kind="hdf5", path=tmp_path / "run*.h5", **more)


def test_without_live_a_file_that_is_written_is_read_as_it_is_and_told(
    writer, tmp_path
):
    writer.do(share("run.h5", 3))
    run = settings(tmp_path).open(None)
    writer.do(more(3, 8))

    assert isinstance(run, FollowedRun)
    assert (len(run), run.over, run.live) == (3, True, False)
    assert "being written: the 3 shots that are there now are read" in run.notes[0]
    (note,) = run.closing_notes()
    assert "still being written: 3 shots were read, 8 are there now" in note
    assert "source.first_shot=3" in note
    run.close()


def test_a_complete_file_is_an_ordinary_run(writer, tmp_path):
    writer.do(append("run.h5", 0, 3))
    run = settings(tmp_path).open(None)

    assert type(run) is Hdf5Source
    assert not run.growing


def test_a_run_that_has_not_begun_is_awaited(writer, tmp_path):
    said = []

    def begin(words):
        said.append(words)
        writer.do(share("run.h5", 2))

    settings(tmp_path, live=True).await_start(None, begin)

    assert said[0].endswith("run*.h5: no file has such a name")


def test_a_run_that_never_begins_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"waited 0.1 s for a shot \(source.idle_end_s"):
        settings(tmp_path, live=True, idle_end_s=0.1).await_start(None, list)


def test_times_and_labels_come_with_the_shots(follow, tmp_path):
    with h5py.File(tmp_path / "run.h5", "w") as file:
        file[DATA] = np.ones((3, 4, 5), "u2")
        file["/entry_1/event_1/timestamp_ns"] = np.arange(3, dtype="u8") + 7
        file["/entry_1/result_1/label"] = ["a", "b", "c"]
    os.utime(tmp_path / "run.h5", (0, 0))

    shots = follow("run.h5").read(1, 3)

    assert shots.timestamp_ns.tolist() == [8, 9]
    assert shots.truth.tolist() == ["b", "c"]
