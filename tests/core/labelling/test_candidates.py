import numpy as np
import pytest

from specklenn.core.data.shots import InMemorySource
from specklenn.core.errors import DataError
from specklenn.core.hitfinder import HitFinding
from specklenn.core.labelling.candidates import Viewer
from specklenn.core.network.features import feature_layout
from specklenn.core.preprocess import Preprocessing, Preprocessor


@pytest.fixture
def view(draw_shots, mask):
    """Look at 200 drawn shots, every fourth without a hit."""
    frames, names = draw_shots(200)

    def make(model=None, **hit_finding):
        return Viewer(
            source=InMemorySource(list(frames), names.tolist()),
            preprocessor=Preprocessor(Preprocessing(), mask.shape, mask),
            hit_finding=HitFinding(**hit_finding),
            model=model,
        )

    return make


def test_hits_are_offered_in_order_without_a_network(view):
    found = view().find_candidates(1000, labelled=())

    assert found.shots.tolist() == [i for i in range(200) if i % 4 != 3]
    assert found.features is None


def test_the_first_hits_are_offered_where_fewer_are_wanted(view):
    assert view().find_candidates(5, labelled=()).shots.tolist() == [0, 1, 2, 4, 5]


def test_no_hits_are_offered_on_demand_and_where_they_are_labelled(view):
    everything = view(enabled=False).find_candidates(1000, labelled=())
    labelled = view().find_candidates(2, labelled=(3, 100))

    # Dark frames without a single photon cannot be judged.
    assert set(range(200)) - set(everything.shots.tolist()) <= set(range(3, 200, 4))
    assert len(everything.shots) > 190
    assert labelled.shots.tolist() == [0, 1, 3, 100]


def test_features_begin_with_the_embeddings_of_the_classifier(view, model, classifier):
    viewer = view(model)

    found = viewer.find_candidates(1000, labelled=())

    frames = viewer.source.read(0, 200).frames[found.shots]
    layout = feature_layout(model.encoder)
    assert found.features.shape == (len(found.shots), layout.size)
    np.testing.assert_allclose(
        layout.embeddings(found.features), classifier.embed(frames), atol=1e-5
    )


def test_suggested_shots_are_from_all_over_the_run_and_the_same_every_time(view, model):
    found = [view(model).find_candidates(60, labelled=()) for _ in range(2)]

    assert np.array_equal(found[0].shots, found[1].shots)
    assert len(found[0].shots) == 60
    assert found[0].shots.max() >= 64


def test_a_run_without_hits_is_an_error_that_says_so(view):
    with pytest.raises(DataError, match="no shot of the run is a hit"):
        view(minimum_lit_pixels=10**6).find_candidates(10, labelled=())


def test_pictures_are_photons_with_holes_at_bad_pixels(view, mask, draw_shots):
    frames, _ = draw_shots(200)

    whole = view().picture(8, whole=True)
    part = view().picture(8, whole=False)

    np.testing.assert_array_equal(np.isnan(whole), mask)
    np.testing.assert_array_equal(whole[~mask], frames[8][~mask])
    np.testing.assert_array_equal(part, whole[2:98, 2:98])
