"""What a look at a run says of runs of which everything is known."""

import numpy as np
import pytest

from specklenn.core.hitfinder import HitFinding


def said(survey):
    return dict(survey.lines())


def test_a_good_run_gives_no_cause_for_concern(survey_of, make_spheres):
    survey = survey_of(make_spheres(60))

    assert survey.warnings() == survey.problems() == []
    lines = said(survey)
    assert lines["units"] == (
        "steps between values: 1 detector units, pedestal 0, pixel to pixel 0, noise 0"
    )
    assert lines["looked at"] == "60 of 60 shots from all over the run"
    assert lines["frames"] == (
        "100 x 110 pixels, uint16, taken for photons; used: rows 10-89, columns 15-94"
    )
    assert lines["hits"].startswith("45 of 60 (75 %); ")
    assert lines["pixels"] == "0 dead, 0 hot, 0 stuck"
    assert lines["times"].endswith("UTC, 120 Hz")
    assert lines["centre"] == (
        "configured 50.0, 55.0; by symmetry 50.0, 55.0 (+- 0.1), 0.0 pixels off"
    )


def test_a_beam_that_is_off_is_told_with_what_to_set(survey_of, make_spheres):
    frames = make_spheres(60, centre=(54.0, 50.5))

    (warning,) = survey_of(frames).warnings()

    assert warning.startswith("the beam is 6.0 pixels off the configured centre")
    setting = warning.rpartition("--set preprocess.centre=")[2]
    row, column = map(float, setting.strip("[]").split(","))
    assert (row, column) == pytest.approx((54, 50.5), abs=0.15)
    assert survey_of(frames, centre=(row, column)).warnings() == []


def test_patterns_without_symmetry_tell_no_centre(survey_of):
    frames = np.random.default_rng(0).poisson(1, (40, 100, 110)).astype(np.uint16)

    survey = survey_of(frames)

    assert survey.centre is None
    assert said(survey)["centre"] == (
        "configured 50.0, 55.0; the patterns do not tell it"
    )


def test_dead_hot_and_stuck_pixels_are_named(survey_of, make_spheres):
    frames = make_spheres(60)
    frames[:, 45, 60] = 0
    frames[:, 20, 30] = np.random.default_rng(0).poisson(40, 60)
    frames[:, 70, 80] = 7
    frames[11, 25, 25] = 5000  # a cosmic ray

    survey = survey_of(frames)

    assert said(survey)["pixels"] == (
        "1 dead ([45, 60]), 1 hot ([20, 30]), 1 stuck ([70, 80])"
    )
    assert survey.warnings() == [
        "3 pixels are dead, hot or stuck: mask them (calibration.mask_file)"
    ]


def test_masked_pixels_are_told_with_where_they_come_from(survey_of, make_spheres):
    in_data, in_file = np.zeros((2, 100, 110), bool)
    in_data[40:43] = True
    in_file[:, 60] = True
    mask = in_data | in_file
    mask[0, 0] = True

    masks = {"in the data": in_data, "in calibration.mask_file": in_file}
    survey = survey_of(make_spheres(60), mask, masks)

    assert said(survey)["masked"] == (
        "3.89 % of the frame, 4.95 % of what is used; 330 in the data; 97 in "
        "calibration.mask_file; 1 not used or without signal; no good pixel in rows "
        "40-42; no good pixel in columns 60"
    )
    assert survey.pixels.dead.size == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda frames: frames + 1000, "offset_adu: 1000}"),
        (lambda frames: frames[:15] + 1000, "are calibration.offset_adu and"),
        (lambda frames: np.zeros_like(frames), "60 of 60 shots cannot be classified"),
        (lambda frames: frames[3::4], "no shot is a hit of 15"),
        (
            lambda frames: frames[np.arange(60) % 4 < 3],
            "every shot is a hit of 45; unless",
        ),
        (
            lambda frames: (
                20.0 * frames + np.random.default_rng(0).normal(0, 3, frames.shape)
            ).astype(np.float32),
            "the values are not photons",
        ),
    ],
)
def test_what_cannot_be_meant_is_asked_about(survey_of, make_spheres, make, words):
    survey = survey_of(make(make_spheres(60)))

    assert any(words in text for text in (*survey.problems(), *survey.warnings()))


def test_counted_photons_with_read_noise_are_no_cause_for_concern(
    survey_of, make_spheres
):
    frames = make_spheres(60) + np.random.default_rng(0).normal(0, 0.2, (60, 100, 110))

    survey = survey_of(frames.astype(np.float32))

    assert survey.warnings() == survey.problems() == []


def test_a_file_of_bright_hits_alone_has_no_offset(survey_of, make_spheres):
    hits = make_spheres(60)[np.arange(60) % 4 < 3]

    (warning,) = survey_of(hits).warnings()

    assert warning.startswith("every shot is a hit of 45; unless the file holds hits")


def test_wrong_times_and_skipped_shots_are_told(survey_of, make_spheres):
    frames = make_spheres(60).astype(np.float32)
    frames[::7] = np.nan

    survey = survey_of(frames, times=np.arange(60) + 1)

    assert said(survey)["skipped"] == "9 NaN or absurd pixels"
    assert any("1970-01-01" in warning for warning in survey.warnings())


@pytest.mark.parametrize(("factor", "told"), [(0.1, True), (0.5, False), (10, True)])
def test_supports_of_another_brightness_are_told(survey_of, make_spheres, factor, told):
    frames = make_spheres(60)
    shots = survey_of(frames).sample.shots
    photons = factor * np.median(shots.photons[shots.good & shots.hit])

    problems = survey_of(frames, supports=[photons] * 5).problems()

    assert any("supports have" in words for words in problems) is told


@pytest.mark.parametrize(
    ("lit", "told"), [([20, 30, 900], True), ([20, 900, 900], False)]
)
def test_supports_that_are_no_hits_are_told(survey_of, make_spheres, lit, told):
    problems = survey_of(make_spheres(60), support_lit=lit).problems()

    assert ["supports have fewer than the 50 lit" in each for each in problems] == (
        [True] * told
    )


def test_noise_that_lights_pixels_is_told(survey_of, make_spheres):
    frames = make_spheres(60) + np.random.default_rng(0).normal(0, 0.6, (60, 100, 110))

    (problem,) = survey_of(frames.astype(np.float32)).problems()

    assert "are below -0.7 photons, so as many are lit by noise alone" in problem


def test_where_values_are_no_photons_nothing_is_said_of_the_hit_finder(
    survey_of, make_spheres
):
    frames = 130.0 * make_spheres(60) + 37
    frames += np.random.default_rng(0).normal(0, 15, frames.shape)

    survey = survey_of(frames.astype(np.float32))

    (problem,) = survey.problems()
    assert problem.startswith("the values are not photons")
    assert survey.warnings() == []
    assert survey.no_hits is None


def test_a_threshold_that_no_hits_reach_is_told_with_another(survey_of, make_spheres):
    random = np.random.default_rng(0)
    frames = make_spheres(128)
    frames[3::2] = random.poisson(0.005, (63, 100, 110))  # 32 of 6400 pixels
    low = HitFinding(minimum_lit_pixels=30)

    survey = survey_of(frames, finding=low)

    (warning,) = (text for text in survey.warnings() if "of the no-hits" in text)
    setting = warning.rpartition("--set hit_finder.minimum_lit_pixels=")[2]
    proposed = HitFinding(minimum_lit_pixels=int(setting))
    assert not any(
        "of the no-hits" in text
        for text in survey_of(frames, finding=proposed).warnings()
    )
    assert f"hit_finder.minimum_lit_pixels {setting}" in said(survey)["no-hits"]
    assert 45 < int(setting) < 75


def test_the_threshold_of_a_part_of_the_crop_is_told(survey_of, make_spheres):
    mask = np.ones((100, 110), bool)
    mask[:50, :55] = False

    assert said(survey_of(make_spheres(60), mask))["hits"].endswith(
        " lit pixels a shot, 12 lit pixels make a hit (50 of the whole crop, of which "
        "25.0% are good)"
    )
