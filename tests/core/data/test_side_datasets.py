"""Labels, names and times of shots in the forms that programs write them in."""

import os

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from specklenn.core.data.labelled_dataset import (
    DATA,
    LABEL,
    NAME,
    TIMESTAMP,
    LabelledDataset,
)
from specklenn.core.errors import DataError

START_S = 1_714_564_800
"""2024-05-01T12:00:00Z."""

TIMES = np.arange(4, dtype=np.uint64) * np.uint64(8_333_333) + np.uint64(
    START_S * 10**9
)
"""Of four shots at 120 Hz, ns."""

ENUM = h5py.enum_dtype({"no-hit": 0, "single-hit": 1, "größer": 7}, "i2")
COMPOUND = np.dtype([("seconds", "<u4"), ("nanoseconds", "<u4")])


@pytest.fixture
def read(tmp_path):
    """Write a column beside four frames; give the opened dataset."""

    def write_and_open(name, values, dtype=None):
        with h5py.File(tmp_path / "d.h5", "w") as file:
            file[DATA] = np.zeros((4, 3, 3), np.uint16)
            file.create_dataset(name, data=values, dtype=dtype)
        with LabelledDataset(tmp_path / "d.h5") as opened:
            return opened

    return write_and_open


def pairs(dtype):
    return np.stack([TIMES // 10**9, TIMES % 10**9], axis=1).astype(dtype)


def compound():
    made = np.zeros(4, COMPOUND)
    made["seconds"], made["nanoseconds"] = TIMES // 10**9, TIMES % 10**9
    return made


def iso(shift="", zone=""):
    """Each time as text, with all nine digits of its second."""
    shifted = TIMES.astype("datetime64[ns]") + np.timedelta64(shift or 0, "h")
    return [f"{time}{zone}" for time in shifted]


@pytest.mark.parametrize(
    ("values", "exact_ns"),
    [
        (TIMES, 0),
        (TIMES.astype(np.int64), 0),
        (TIMES.reshape(4, 1), 0),
        (TIMES.astype(">u8"), 0),
        (TIMES // 1000, 1000),
        (TIMES // 10**6, 10**6),
        (TIMES / 1e9, 300),
        (TIMES / 1e6, 300),
        (TIMES.astype(float), 300),
        (pairs(np.uint32), 0),
        (pairs(np.float64), 0),
        (compound(), 0),
        (iso(), 0),
        (iso(zone="Z"), 0),
        (iso(zone=" UTC"), 0),
        (iso(2, "+02:00"), 0),
        (iso(-5, "-0500"), 0),
        ([text.replace("T", " ") for text in iso()], 0),
        (np.array(iso()).astype("S40"), 0),
    ],
)
def test_times_are_the_same_however_they_are_written(read, values, exact_ns):
    found = read(TIMESTAMP, values).timestamps_ns

    assert found.dtype == np.uint64
    assert (np.abs(found.astype(np.int64) - TIMES.astype(np.int64)) <= exact_ns).all()


def test_whole_seconds_are_dates_and_not_moments_of_1970(read):
    found = read(TIMESTAMP, np.arange(4) + START_S).timestamps_ns

    assert found.tolist() == [(START_S + i) * 10**9 for i in range(4)]


def test_small_integers_are_nanoseconds(read):
    assert read(TIMESTAMP, [5, 6, 7, 8]).timestamps_ns.tolist() == [5, 6, 7, 8]


def test_what_is_not_known_of_one_shot_is_0_and_the_others_are_read(read):
    numbers = [START_S + 0.5, np.nan, 0, START_S + 1.5]
    texts = ["2024-05-01T12:00:00.5", "", "", "2024-05-01 12:00:01.5"]

    for values in (numbers, texts):
        found = read(TIMESTAMP, values).timestamps_ns.tolist()
        assert found == [START_S * 10**9 + 500_000_000, 0, 0, (START_S + 1.5) * 1e9]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.full(4, np.nan), "no time is a number; Unix times in seconds or"),
        (np.arange(4) / 120, r"0\.008\d* to 0\.025 found, which is no date"),
        (np.full(4, 1e30), r"1e\+30 to 1e\+30 found, which is no date"),
        (np.full(4, -1), "-1 to -1 found, which is no date"),
        (np.arange(8).reshape(4, 2), "two numbers a shot found; Unix times in"),
        (np.arange(12).reshape(4, 3), r"shape \(4, 3\), \(4,\) expected"),
        (np.zeros((4, 2), COMPOUND), r"shape \(4, 2\), \(4,\) expected"),
        (np.uint64(START_S), r"shape \(\), \(4,\) expected"),
        (["2024-13-01T12:00:00"] * 4, "'2024-13-01T12:00:00' found; Unix times"),
        (["1024-12-01T12:00:00"] * 4, "'1024-12-01T12:00:00' found; Unix times"),
        (["x" * 500] * 4, "'x{40}' found; Unix times"),
        (np.full(4, 1j), "data type complex128 found; Unix times"),
        (np.full(4, b"\xff"), "UTF-8 expected"),
    ],
)
def test_what_is_no_time_is_refused_in_one_sentence(read, values, words):
    with pytest.raises(DataError, match=rf"d\.h5:{TIMESTAMP}: {words}"):
        read(TIMESTAMP, values)


@pytest.mark.parametrize("name", [LABEL, NAME])
@pytest.mark.parametrize(
    "dtype",
    [
        h5py.string_dtype("utf-8"),
        h5py.string_dtype("ascii"),
        h5py.string_dtype("utf-8", 16),
        h5py.string_dtype("ascii", 16),
        ENUM,
    ],
)
def test_texts_are_the_same_in_any_type_of_string(read, name, dtype):
    texts = ["no-hit", "single-hit", "größer", "no-hit"]
    values = [text.encode() for text in texts]
    if dtype is ENUM:
        values = [0, 1, 7, 0]

    opened = read(name, values, dtype)

    found = opened.labels if name == LABEL else opened.names
    assert found.tolist() == texts


def test_texts_in_a_column_and_filled_up_with_blanks_are_read(read):
    values = np.array([b"a  ", b"b\0\0", b"", b"c d "]).reshape(4, 1)

    assert read(LABEL, values).labels.tolist() == ["a", "b", "", "c d"]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.arange(4), "data type int64, strings expected"),
        (np.array([0, 1, 2, 0]).astype(ENUM), "value 2 found, which its enumeration"),
        ([["a", "b"]] * 4, r"shape \(4, 2\), \(4,\) expected"),
        ("single-hit", r"shape \(\), \(4,\) expected"),
        (np.array([b"a\xb5"] * 4), "UTF-8 expected"),
    ],
)
def test_what_is_no_text_is_refused_in_one_sentence(read, values, words):
    with pytest.raises(DataError, match=rf"d\.h5:{LABEL}: {words}"):
        read(LABEL, values)


dtypes = st.one_of(
    arrays.scalar_dtypes().filter(lambda dtype: dtype.kind not in "mMU"),
    st.sampled_from([np.dtype("S8"), COMPOUND, np.dtype([("a", "f4"), ("b", "S3")])]),
    st.just(ENUM),
)
columns = st.one_of(
    dtypes.flatmap(
        lambda dtype: arrays.arrays(
            dtype, st.sampled_from([(), (4,), (4, 1), (4, 2), (4, 3), (1, 4), (3,)])
        )
    ),
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_characters="\0")), max_size=6
    ),
    st.lists(st.binary(), min_size=4, max_size=4),
    st.floats().map(lambda first: first + np.arange(4.0)),
    st.integers(-(2**63), 2**63 - 5).map(lambda first: first + np.arange(4)),
    st.dates().map(lambda day: [f"{day}T00:00:00"] * 4),
    st.just(h5py.Empty("f4")),
)


def read_or_refusal(path, name):
    attributes = {LABEL: "labels", NAME: "names", TIMESTAMP: "timestamps_ns"}
    try:
        with LabelledDataset(path) as opened:
            return getattr(opened, attributes[name])
    except DataError as error:
        return str(error)


@settings(
    max_examples=int(os.environ.get("CASES", 200)),
    database=None,
    derandomize="CASES" not in os.environ,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.sampled_from([LABEL, NAME, TIMESTAMP]), columns)
def test_any_column_is_read_for_every_shot_or_refused_in_one_sentence(
    tmp_path_factory, name, values
):
    path = tmp_path_factory.getbasetemp() / "any.h5"
    with h5py.File(path, "w") as file:
        file[DATA] = np.zeros((4, 3, 3), np.uint16)
        try:
            file[name] = values
        except (TypeError, ValueError):  # nothing that HDF5 can hold
            return
    found = read_or_refusal(path, name)
    if isinstance(found, str):
        assert found.startswith(f"{path}:{name}: ")
        assert "\n" not in found
    else:
        assert found.shape == (4,)
        assert found.dtype.kind in "uU"


@pytest.mark.parametrize("shape", [(4,), (4, 2)])
def test_times_in_half_precision_are_refused_in_a_sentence(tmp_path, shape):
    with h5py.File(tmp_path / "half.h5", "w") as file:
        file[DATA] = np.zeros((4, 3, 3), np.uint16)
        file[TIMESTAMP] = np.full(shape, 1000, np.float16)

    with pytest.raises(DataError, match="found"):
        LabelledDataset(tmp_path / "half.h5")
