import numpy as np
import pytest

pytest.importorskip("matplotlib")

from specklenn.core.errors import DataError
from specklenn.core.survey.picture import draw_survey, write_picture


def test_pattern_mask_and_histogram_are_drawn(survey_of, make_spheres, tmp_path):
    mask = np.zeros((100, 110), bool)
    mask[40:43] = True
    survey = survey_of(make_spheres(60), mask, {"in the data": mask})

    write_picture(tmp_path / "look.png", survey, "run.yaml")
    figure = draw_survey(survey, "run.yaml")

    assert (tmp_path / "look.png").read_bytes().startswith(b"\x89PNG")
    pattern, masked, histogram = figure.axes[:3]
    shown = pattern.get_images()[0].get_array()
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), mask)
    np.testing.assert_array_equal(masked.get_images()[0].get_array() > 0, mask)
    counted = sum(patch.get_height() for patch in histogram.patches)
    assert counted == 60


@pytest.mark.parametrize("number", [1, 4])
def test_runs_of_darkness_alone_can_be_drawn(survey_of, number):
    draw_survey(survey_of(np.zeros((number, 100, 110), np.uint16)), "dark")


def test_a_picture_that_cannot_be_written_is_refused(survey_of, make_spheres, tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match="cannot be written"):
        write_picture(tmp_path / "file" / "a.png", survey_of(make_spheres(4)), "x")


def test_thresholds_and_photon_are_drawn_where_they_were_found(survey_of, make_spheres):
    random = np.random.default_rng(0)
    frames = make_spheres(100) + random.normal(0, 0.2, (100, 100, 110))
    survey = survey_of(frames.astype(np.float32))

    *_, lit, pixels = (axes for axes in draw_survey(survey, "x").axes if axes.lines)

    assert [line.get_xdata()[0] for line in lit.lines] == [50, survey.no_hits.threshold]
    _, configured, photon = pixels.lines
    assert configured.get_xdata()[0] == 1
    assert photon.get_xdata()[0] == pytest.approx(1, abs=0.05)
