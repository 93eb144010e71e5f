import h5py
import numpy as np
import pytest

from specklenn.core.data.dataset_writer import write_dataset
from specklenn.core.errors import DataError
from specklenn.core.evaluation.labelled_file import LabelledFile
from specklenn.core.reports.sample_sizes import RADIUS, read_sizes, simulated_radii


def table(tmp_path, text):
    path = tmp_path / "sizes.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        "id,family,atoms,split\n1AOI,nucleosome,12373,train\n1AON,x,58870,train\n",
        "atoms,name\n12373,1AOI\n58870,1AON\n",
        "\ufeffid,atoms\n1AOI,12373\n1AON,58870\n3XXX,many\n",
    ],
)
def test_atoms_are_read_by_the_name_of_the_sample(tmp_path, text):
    sizes = read_sizes(table(tmp_path, text), ["1AON", "1AOI", "2ABC"])

    assert sizes.of == {"1AON": 58870.0, "1AOI": 12373.0}
    assert sizes.quantity == "atoms"
    assert sizes.missing(["1AON", "2ABC"]) == ["2ABC"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pdb,size\n1AOI,3\n", r"columns pdb, size found, id \(or name\) and atoms"),
        ("", r"columns none found"),
        ("id,atoms\n9ZZZ,3\n", r"none of the samples 1AOI is in it; in it are 9ZZZ"),
        ("id,atoms\n1AOI,many\n", r"1AOI: 'many' atoms, a number above 0 expected"),
        ("id,atoms\n1AOI,0\n", r"1AOI: '0' atoms, a number above 0"),
        ("id,atoms\n1AOI\n", r"1AOI: None atoms, a number above 0"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read_sizes(table(tmp_path, text), ["1AOI"])


def test_a_table_that_is_missing_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"no\.csv: cannot be read: No such file"):
        read_sizes(tmp_path / "no.csv", ["1AOI"])


def test_radii_of_a_simulated_file_are_means_over_its_particles(tmp_path):
    path = tmp_path / "virus.h5"
    labels = ["single-hit", "multi-hit", "non-sample-hit", "single-hit"]
    names = ["large", "large", "large", "small"]
    write_dataset(path, np.ones((4, 8, 8)), labels, names)
    with h5py.File(path, "r+") as file:
        radii = [[300, np.nan], [340, 350], [np.nan, np.nan], [90, np.nan]]
        file[RADIUS] = np.array(radii, np.float32)

    sizes = simulated_radii(LabelledFile(path))

    assert sizes.of == {"large": 320.0, "small": 90.0}
    assert sizes.quantity == "radius_angstrom"


def test_a_file_that_says_nothing_of_sizes_is_refused(clean_file):
    with pytest.raises(
        DataError, match=r"clean\.h5: does not say how large .* --sizes"
    ):
        simulated_radii(clean_file)
