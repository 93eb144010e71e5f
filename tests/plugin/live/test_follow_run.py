"""A run that is fitted to its own hits, over in-memory channels."""

from dataclasses import replace

import numpy as np
import pytest

from specklenn.core.classify import Classifier
from specklenn.core.config.run_config import PreprocessOverrides
from specklenn.core.data import dataset_writer
from specklenn.core.distances import Classification
from specklenn.core.errors import SpecklennError
from specklenn.core.hit_sample import sampled_shots
from specklenn.core.hitfinder import HitFinding
from specklenn.core.network import checkpoint
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessor
from specklenn.plugin.control.protocol import Request
from specklenn.plugin.control.update_builder import UpdateBuilder
from specklenn.plugin.live import follow_run
from specklenn.plugin.live.model_update import FitUpdate, pack_update, with_fit
from specklenn.plugin.live.scheduler import FileScheduler
from specklenn.plugin.live.swap_coordinator import UpdateRequest

ENSEMBLE = Classification(rule="ensemble", follow_run=True)


@pytest.fixture
def make_pipeline(model, supports, mask):
    def make(rank, settings=ENSEMBLE, of=model):
        preprocessor = Preprocessor(of.preprocessing, supports.shape, mask)
        classifier = Classifier(of, supports, preprocessor, settings)
        return Pipeline(classifier, HitFinding(), run=94, rank=rank)

    return make


@pytest.fixture
def make_run(make_bench, clock, make_pipeline, opener, shots):
    """A run of 203 shots on two workers, four shots at a time."""

    def make(pipelines=None, **options):
        return make_bench(
            clock,
            pipelines or [make_pipeline(1), make_pipeline(2)],
            [opener(shots)] * 2,
            FileScheduler(203, 2, lease_shots=32),
            batch_shots=4,
            **options,
        )

    return make


@pytest.fixture
def followed(make_run):
    bench = make_run(follow_run=True)
    bench.run()
    return bench


def by_index(rows):
    return np.sort(rows, order="index")


def same_but_for(ours, theirs, *fields):
    left = [name for name in ours.dtype.names if name not in (*fields, "latency_ms")]
    for name in left:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_fits_are_made_of_64_hits_and_of_twice_as_many(followed):
    first, *fits = followed.kept.versions
    rows = followed.kept.rows
    hits = np.isfinite(rows["score"]).cumsum()

    assert (first.fit_version, first.fit_rows) == (0, 0)
    assert [fit.fit_version for fit in fits] == [1, 2]
    assert [fit.number for fit in fits] == [2, 3]
    made_of = [hits[fit.fit_rows - 1] for fit in fits]
    assert 64 <= made_of[0] < 64 + 16
    assert 2 * made_of[0] <= made_of[1] < 2 * made_of[0] + 16


def test_every_row_names_the_fit_it_was_classified_by(followed, make_pipeline, shots):
    rows, start = followed.kept.rows, make_pipeline(1)
    preprocessor = start.classifier.preprocessor

    for version in followed.kept.versions:
        own = rows[rows["fit_version"] == version.fit_version]
        pipeline = start
        if version.fit_version:
            sampled = sampled_shots(rows[: version.fit_rows], 1)
            crops = preprocessor.crop(shots[0][sampled]).photons
            update = FitUpdate(version=version, hits=preprocessor.normalise(crops))
            pipeline = with_fit(start, update)
        judged = own[np.isfinite(own["score"])]
        crops = preprocessor.crop(shots[0][judged["index"]]).photons
        found = pipeline.classifier.decide(crops)
        assert len(judged) > 10
        np.testing.assert_allclose(judged["distances"], found.distances, atol=1e-4)
        np.testing.assert_allclose(judged["score"], found.scores.max(1), atol=1e-5)
    assert set(rows["fit_version"]) == {0, 1, 2}
    assert sorted(rows["index"]) == list(range(203))


def test_a_fit_changes_what_is_said_of_shots(followed, make_run):
    plain = make_run()
    plain.run()
    rows, others = by_index(followed.kept.rows), by_index(plain.kept.rows)
    fitted = (rows["fit_version"] > 0) & np.isfinite(rows["score"])

    assert (rows["distances"][fitted] != others["distances"][fitted]).any()


def test_all_ranks_use_a_fit_or_none_and_the_log_says_why(
    make_run, make_pipeline, model, caplog
):
    card = checkpoint.Card(name="other", sha256="12")
    other = replace(model, card=card)
    bench = make_run([make_pipeline(1), make_pipeline(2, of=other)], follow_run=True)
    bench.run()

    assert set(bench.kept.rows["fit_version"]) == {0}
    assert len(bench.kept.versions) == 1
    assert bench.state.failures == []
    assert sorted(bench.kept.rows["index"]) == list(range(203))
    assert "fit v1 is not used: rank 2 on node: fit v1 is for another" in caplog.text


def test_with_fewer_hits_than_a_fit_needs_rows_are_as_without(make_run, monkeypatch):
    monkeypatch.setattr(follow_run, "FEWEST_HITS", 1000)
    on, off = make_run(follow_run=True), make_run()
    on.run()
    off.run()

    same_but_for(
        by_index(on.kept.rows),
        by_index(off.kept.rows),
        "arrived_ns",
        "rank",
        "timestamp_ns",
    )


def test_a_rule_that_learns_nothing_from_hits_is_not_fitted(make_run, make_pipeline):
    nearest = Classification(rule="nearest", follow_run=True)
    pipelines = [make_pipeline(rank, nearest) for rank in (1, 2)]
    bench = make_run(pipelines, follow_run=True)
    bench.run()

    assert len(bench.kept.versions) == 1


@pytest.fixture
def fewer(tmp_path, draw_shots, mask):
    """Another support set."""
    frames, names = draw_shots(12, seed=5)
    chosen = np.flatnonzero(names != "no-hit")
    path = tmp_path / "fewer.h5"
    dataset_writer.write_dataset(path, frames[chosen], names[chosen], mask=mask)
    return path


def test_after_a_swap_a_run_starts_from_the_supports_and_is_fitted_anew(
    make_run, make_pipeline, model, fewer, tmp_path
):
    checkpoint.save(
        tmp_path / "w.safetensors", model.encoder, model.preprocessing, model.card
    )
    weights = checkpoint.read(tmp_path / "w.safetensors")
    model = checkpoint.decode(weights)
    pipelines = [make_pipeline(rank, of=model) for rank in (0, 1, 2)]
    bench = make_run(pipelines[1:], follow_run=True)
    builder = UpdateBuilder(pipelines[0], weights, PreprocessOverrides(), bench.numbers)
    while bench.state.in_use.fit_version == 0:
        bench.step()
    asked = Request(id="1", action="swap", user="ann", host="node", support=str(fewer))
    built = builder.build(asked, bench.state.versions)
    update = UpdateRequest(version=built.version, payload=built.payload)
    bench.update_requests.waiting.append(update)
    bench.run()

    told = [
        (item.number, item.support_version, item.fit_version)
        for item in bench.kept.versions
    ]
    assert update.result.done
    assert told[:4] == [(1, 7, 0), (2, 7, 1), (3, 1, 0), (4, 1, 2)]
    rows = bench.kept.rows
    pairs = set(rows[["support_version", "fit_version"]].tolist())
    assert pairs <= {item[1:] for item in told}
    assert sorted(rows["index"]) == list(range(203))


def test_people_come_first(make_run, fewer):
    bench = make_run(follow_run=True)
    bench.step(3)
    follower = bench.collector._swap_coordinator._requests
    asked = UpdateRequest(version=bench.state.in_use, payload=b"")
    bench.update_requests.waiting.append(asked)

    assert follower.next() is asked


def test_a_fit_for_other_supports_is_refused(make_pipeline, followed):
    version = followed.kept.versions[1]
    other = Classification(rule="nearest")
    update = FitUpdate(version=version, hits=np.zeros((3, 48, 48), np.float32))

    with pytest.raises(SpecklennError, match="fit v1 is for another model, rule or"):
        with_fit(make_pipeline(1, other), update)
    assert len(pack_update(update)) > 3 * 48 * 48 * 4


def test_windows_are_told(followed):
    assert {each.fit_version for each in followed.kept.snapshots} == {0, 1, 2}
