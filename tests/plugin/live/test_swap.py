"""Another model or other supports in the middle of a run, over in-memory channels."""

import itertools

import h5py
import msgpack
import numpy as np
import pytest
import torch
from msgspec.structs import replace

from specklenn.core.classify import Classifier
from specklenn.core.config.run_config import PreprocessOverrides
from specklenn.core.data import dataset_writer, labelled_dataset
from specklenn.core.distances import Classification
from specklenn.core.errors import SpecklennError
from specklenn.core.hitfinder import HitFinding
from specklenn.core.network import checkpoint
from specklenn.core.network.specklenn2023 import Encoder
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.support import load_supports
from specklenn.plugin.control.protocol import Request
from specklenn.plugin.control.update_builder import MOST_KEPT, UpdateBuilder
from specklenn.plugin.live.model_update import unpack_update
from specklenn.plugin.live.scheduler import FileScheduler
from specklenn.plugin.live.swap_coordinator import PATIENCE_S, UpdateRequest
from specklenn.plugin.live.versions import Version, numbered

SMALL = Preprocessing(crop=48, bin=1, scale="log1p")


def request(action="swap", **wanted):
    named = {name: str(value) for name, value in wanted.items()}
    return Request(id="1", action=action, user="ann", host="node", **named)


def saved(folder, name, seed, preprocessing):
    torch.manual_seed(seed)
    path = folder / f"{name}.safetensors"
    card = checkpoint.Card(name=name)
    checkpoint.save(path, Encoder(48).eval(), preprocessing, card)
    return path


@pytest.fixture(scope="session")
def first_weights(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("first"), "first", 0, Preprocessing())


@pytest.fixture(scope="session")
def second_weights(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("second"), "second", 1, SMALL)


@pytest.fixture
def second_supports(tmp_path, draw_shots, mask):
    """Other patterns; their classes are in another order."""
    frames, names = draw_shots(12, seed=5)
    chosen = np.flatnonzero(names != "no-hit")[::-1]
    path = tmp_path / "second.h5"
    dataset_writer.write_dataset(path, frames[chosen], names[chosen], mask=mask)
    return path


@pytest.fixture
def make_pipeline(first_weights, supports, mask):
    def make(rank, weights=first_weights, **calibration):
        model = checkpoint.load(weights)
        preprocessor = Preprocessor(
            model.preprocessing, supports.shape, mask, **calibration
        )
        classifier = Classifier(model, supports, preprocessor)
        return Pipeline(classifier, HitFinding(), run=94, rank=rank)

    return make


@pytest.fixture
def builder(make_pipeline, first_weights):
    return UpdateBuilder(
        make_pipeline(0),
        checkpoint.read(first_weights),
        PreprocessOverrides(),
        itertools.count(2),
    )


@pytest.fixture
def bench(make_bench, clock, make_pipeline, opener, shots):
    """A run of 203 shots on two workers, four shots at a time."""
    return make_bench(
        clock,
        [make_pipeline(1), make_pipeline(2)],
        [opener(shots)] * 2,
        FileScheduler(203, 2, lease_shots=32),
        batch_shots=4,
    )


def swap(bench, builder, asked):
    """Build what is asked for and bring it to the workers; returns the result."""
    built = builder.build(asked, bench.state.versions)
    update = UpdateRequest(version=built.version, payload=built.payload)
    bench.update_requests.waiting.append(update)
    bench.step(6)
    if update.result.done:
        builder.adopt(built)
    return update.result


def pairs(rows):
    found = np.stack([rows["model_version"], rows["support_version"]], axis=1)
    return sorted(set(map(tuple, found.tolist())))


def check_against(rows, shots, weights, supports, mask):
    """Compare the hits among rows with a classifier made of files, without a swap."""
    model = checkpoint.load(weights)
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    hits = rows[(rows["label"] >= 0) & (rows["label"] < 3)]
    found = Classifier(model, supports, preprocessor).classify(shots[0][hits["index"]])
    assert len(hits) > 10
    order = [supports.classes.index(name) for name in CLASSES]
    np.testing.assert_allclose(hits["distances"], found.distances[:, order], atol=1e-5)
    assert np.array(CLASSES)[hits["label"]].tolist() == found.labels.tolist()


CLASSES = ("single-hit", "multi-hit", "non-sample-hit")


def test_new_supports_judge_the_rest_of_the_run_and_no_shot_is_lost(
    bench, builder, shots, supports, second_supports, first_weights, mask
):
    bench.step(5)
    result = swap(bench, builder, request(support=second_supports))
    bench.run()

    rows = bench.kept.rows
    assert result.done
    assert result.ranks == 2
    assert sorted(rows["index"]) == list(range(203))
    assert pairs(rows) == [(1, 1), (1, 7)]
    check_against(
        rows[rows["support_version"] == 7], shots, first_weights, supports, mask
    )
    check_against(
        rows[rows["support_version"] == 1],
        shots,
        first_weights,
        load_supports(second_supports),
        mask,
    )


def test_a_new_model_judges_with_its_own_preprocessing(
    bench, builder, shots, supports, first_weights, second_weights, mask
):
    bench.step(5)
    swap(bench, builder, request(weights=second_weights))
    bench.run()

    rows = bench.kept.rows
    assert sorted(rows["index"]) == list(range(203))
    assert pairs(rows) == [(1, 7), (2, 7)]
    before, after = (rows[rows["model_version"] == number] for number in (1, 2))
    check_against(before, shots, first_weights, supports, mask)
    check_against(after, shots, second_weights, supports, mask)


def test_another_rule_judges_the_rest_of_the_run_and_is_written_down(
    bench, builder, shots, supports, first_weights, mask
):
    bench.step(5)
    swap(bench, builder, request(rule="nearest"))
    bench.step(3)
    swap(bench, builder, request("back"))
    begun = len(bench.kept.rows)
    bench.run()

    rows, model = bench.kept.rows, checkpoint.load(first_weights)
    assert sorted(rows["index"]) == list(range(203))
    assert pairs(rows) == [(1, 7), (2, 7)]
    assert pairs(rows[begun:]) == [(1, 7)]
    assert [item.rule for item in bench.kept.versions] == [
        model.rule,
        "nearest",
        model.rule,
    ]
    preprocessor = Preprocessor(model.preprocessing, supports.shape, mask)
    for number, rule in ((1, None), (2, "nearest")):
        settings = Classification(rule=rule)
        classifier = Classifier(model, supports, preprocessor, settings)
        own = rows[(rows["model_version"] == number) & np.isfinite(rows["score"])]
        found = classifier.classify(shots[0][own["index"]])
        assert len(own) > 2
        np.testing.assert_allclose(own["distances"], found.distances, atol=1e-5)


def test_a_rule_stays_when_supports_follow_and_a_limit_does_not_change_its_units(
    make_pipeline, first_weights, bench, second_supports
):
    pipeline = make_pipeline(0)
    now = pipeline.classifier
    settings = Classification(rule="soft", reject_above_distance=0.4, temperature=0.2)
    limited = Classifier(now.model, now.supports, now.preprocessor, settings)
    builder = UpdateBuilder(
        pipeline.with_classifier(limited, 1),
        checkpoint.read(first_weights),
        PreprocessOverrides(),
        itertools.count(2),
    )

    found = []
    for asked in (
        request(rule="ensemble"),
        request(support=second_supports),
        request(rule="soft"),
    ):
        built = builder.build(asked, bench.state.versions)
        bench.state.versions.append(built.version)
        builder.adopt(built)
        found.append(unpack_update(built.payload).classification)

    ensemble = Classification(rule="ensemble", temperature=0.2)
    assert found == [ensemble, ensemble, settings]


def test_the_notes_of_a_run_are_those_of_the_supports_in_use(
    bench, builder, tmp_path, supports
):
    bench.state.support_notes = ("supports: of before",)
    frames, labels = supports.frames.copy(), supports.labels.tolist()
    frames[3] = frames[0]
    path = tmp_path / "twice.h5"
    dataset_writer.write_dataset(path, frames, labels, mask=supports.mask)
    bench.step(3)

    built = builder.build(request(support=path), bench.state.versions)
    bench.update_requests.waiting.append(built)
    bench.step(6)

    assert built.result.done
    (sentence, *_) = bench.state.support_notes
    assert "event 0 and twice.h5 event 3" in sentence
    assert sentence in built.note
    assert bench.state.notes[0] == sentence


def test_what_comes_back_has_its_old_numbers_and_judges_as_before(
    bench,
    builder,
    shots,
    supports,
    second_supports,
    first_weights,
    second_weights,
    mask,
):
    bench.step(3)
    swap(bench, builder, request(weights=second_weights, support=second_supports))
    bench.step(3)
    before_back = len(bench.kept.rows)
    swap(bench, builder, request("back"))
    begun = len(bench.kept.rows)
    bench.run()

    rows = bench.kept.rows
    assert [item.number for item in bench.kept.versions] == [1, 2, 3]
    assert begun > before_back
    assert pairs(rows[begun:]) == [(1, 7)]
    check_against(rows[begun:], shots, first_weights, supports, mask)
    assert sorted(rows["index"]) == list(range(203))


def test_a_model_after_a_way_back_is_sent_again(bench, builder, second_weights):
    bench.step(3)
    results = [
        swap(bench, builder, asked).done
        for asked in (
            request(weights=second_weights),
            request("back"),
            request(weights=second_weights),
        )
    ]

    assert results == [True, True, True]
    assert [item.model_version for item in bench.state.versions] == [1, 2, 1, 2]


def test_every_version_is_written_down_before_its_rows_come(
    bench, builder, second_supports
):
    known = []
    write, use = bench.kept.write, bench.kept.use
    bench.kept.use = lambda version: (known.append(version), use(version))
    bench.kept.write = lambda report: (
        write(report),
        known.append(pairs(report.rows)),
    )

    bench.step(5)
    swap(bench, builder, request(support=second_supports))
    bench.run()

    new = known.index([(1, 1)])
    written = [item for item in known[:new] if isinstance(item, Version)]
    assert [item.support_version for item in written] == [7, 1]
    assert written[0].time_ns == bench.state.started_ns
    assert written[1].time_ns > written[0].time_ns
    assert written[1].asked_by == "ann@node"
    assert bench.kept.snapshots[-1].support_version == 1


def test_supports_with_a_number_that_was_used_get_the_next_free_one(
    bench, builder, second_supports, tmp_path
):
    (tmp_path / "seven.yaml").write_text(
        "version: 7\nclasses:\n"
        "  single-hit: [{file: second.h5, events: [2]}]\n"
        "  multi-hit: [{file: second.h5, events: [1]}]\n"
        "  non-sample-hit: [{file: second.h5, events: [0]}]\n"
    )

    built = builder.build(
        request(support=tmp_path / "seven.yaml"), bench.state.versions
    )

    assert built.version.support_version == 8
    assert "say version 7, in this run they are version 8" in built.note


@pytest.fixture
def make_supports(tmp_path, draw_shots):
    """Return a function that writes three supports, changed, and their mask."""

    def make(names=CLASSES, shape=(100, 100), mask=None, spoil=None):
        frames = draw_shots(3, seed=8)[0][:, : shape[0], : shape[1]].astype(float)
        if spoil is not None:
            frames[1] = spoil
        path = tmp_path / "made.h5"
        dataset_writer.write_dataset(path, frames, names, mask=mask)
        return path

    return make


ALL_BAD = np.ones((100, 100), bool)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"names": ("single-hit", "multi-hit", "ice")}, "a run keeps its classes"),
        ({"names": ("single-hit", "multi-hit", "multi-hit")}, "keeps its classes"),
        ({"shape": (100, 90)}, r"shape \(100, 90\) found, this run has .*\(100, 100\)"),
        ({"spoil": 7.0}, "made.h5 event 1 cannot be used: flat"),
        ({"spoil": np.nan}, "made.h5 event 1 cannot be used"),
        ({"mask": ALL_BAD}, "bad pixels in the crop that are good in this run"),
    ],
)
def test_supports_that_do_not_fit_are_refused_with_a_sentence(
    bench, builder, make_supports, made, words
):
    asked = request(support=make_supports(**made))

    with pytest.raises(SpecklennError, match=words):
        builder.build(asked, bench.state.versions)


def test_supports_saved_in_photons_are_not_calibrated_again(
    bench, make_pipeline, first_weights, make_supports
):
    path = make_supports(CLASSES)
    with h5py.File(path, "r+") as file:
        file[labelled_dataset.DATA].attrs["units"] = "photons"
    builder = UpdateBuilder(
        make_pipeline(0, adu_per_photon=2.0),
        checkpoint.read(first_weights),
        PreprocessOverrides(),
        itertools.count(2),
    )

    with pytest.raises(SpecklennError, match="supports: calibrated already"):
        builder.build(request(support=path), bench.state.versions)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(weights="nosuch"), "no packaged model 'nosuch'"),
        (request(weights="/no/w.safetensors"), "no such file"),
        (request(support="/no/support.yaml"), "cannot be read"),
        (request("back"), "no earlier version in this run"),
        (request(), "no model, supports or rule to swap to"),
        (request(weights="{folder}/first.safetensors"), "nothing changes"),
    ],
)
def test_requests_that_cannot_be_met_are_refused_with_a_sentence(
    bench, builder, first_weights, asked, words
):
    name = asked.weights and asked.weights.format(folder=first_weights.parent)
    asked = replace(asked, weights=name)

    with pytest.raises(SpecklennError, match=words):
        builder.build(asked, bench.state.versions)


CROPS = {"dtype": "<f8", "shape": [1, 2, 3], "data": bytes(48)}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"crops": {**CROPS, "dtype": "|O"}}, "matching regex"),
        ({"crops": {**CROPS, "shape": [10**6]}}, "Expected `int` <= 100000"),
        ({"crops": {**CROPS, "shape": [1, 2, 4]}}, "array of 48 bytes, 64 expected"),
        ({"labels": [1]}, "Expected `str`, got `int`"),
        ({"preprocessing": '{"crop": "wide"}'}, "validation error for Preprocessing"),
        ({"version": {}}, "missing required field `model`"),
        ({"extra": 1}, "unknown field `extra`"),
    ],
)
def test_a_damaged_update_is_refused_with_the_reason(
    bench, builder, second_weights, changes, words
):
    built = builder.build(request(weights=second_weights), bench.state.versions)
    damaged = msgpack.packb({**msgpack.unpackb(built.payload), **changes})

    assert unpack_update(built.payload).version == built.version
    with pytest.raises(ValueError, match=words):
        unpack_update(damaged)


def test_weights_that_are_damaged_are_refused(bench, builder, tmp_path):
    path = saved(tmp_path, "damaged", 3, SMALL)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(SpecklennError, match="the file is damaged"):
        builder.build(request(weights=path), bench.state.versions)


def test_a_model_whose_crop_is_larger_than_the_frames_is_refused(
    bench, builder, tmp_path
):
    path = saved(tmp_path, "large", 3, Preprocessing(crop=144, bin=3))

    with pytest.raises(SpecklennError, match=r"144 pixels .* do not fit into 100 rows"):
        builder.build(request(weights=path), bench.state.versions)


@pytest.fixture
def uneven(make_bench, clock, make_pipeline, opener, shots, second_weights):
    """Rank 2 does not have the model that the others have."""
    return make_bench(
        clock,
        [make_pipeline(1), make_pipeline(2, second_weights)],
        [opener(shots)] * 2,
        FileScheduler(203, 2, lease_shots=32),
        batch_shots=4,
    )


def test_what_one_rank_cannot_build_is_used_by_none_and_the_run_goes_on(
    uneven, builder, second_supports, second_weights
):
    uneven.step(3)

    refused = swap(uneven, builder, request(support=second_supports))
    later = swap(uneven, builder, request(weights=second_weights))
    uneven.run()

    rows = uneven.kept.rows
    assert not refused.done
    assert refused.reason.startswith("rank 2 on node: the model second in use here")
    assert later.done
    assert pairs(rows) == [(1, 7), (2, 7)]
    assert sorted(rows["index"]) == list(range(203))
    assert [item.number for item in uneven.state.versions] == [1, 3]
    assert uneven.state.failures == []


def put_in(bench, builder, asked):
    """Put a request in without going on."""
    built = builder.build(asked, bench.state.versions)
    update = UpdateRequest(version=built.version, payload=built.payload)
    bench.update_requests.waiting.append(update)
    return update


def test_a_rank_that_does_not_answer_stops_a_swap_and_not_the_run(
    bench, builder, second_supports
):
    bench.step(3)
    silent, bench.workers = bench.workers[1], bench.workers[:1]
    update = put_in(bench, builder, request(support=second_supports))
    bench.step(4)
    assert update.result is None
    bench.clock.sleep(PATIENCE_S)
    bench.step()
    bench.workers.append(silent)
    bench.run()

    assert update.result.reason == f"no answer of ranks 2 within {PATIENCE_S:g} s"
    assert pairs(bench.kept.rows) == [(1, 7)]
    assert sorted(bench.kept.rows["index"]) == list(range(203))


def test_nobody_waits_for_a_rank_that_failed(
    make_bench, clock, make_pipeline, opener, shots, builder, second_supports
):
    def broken(read, start, stop):
        raise OSError("the disk is gone")

    bench = make_bench(
        clock,
        [make_pipeline(1), make_pipeline(2)],
        [opener(shots), opener(shots, broken)],
        FileScheduler(203, 2, lease_shots=32),
        batch_shots=4,
    )
    bench.step(3)
    result = swap(bench, builder, request(support=second_supports))
    bench.run()

    assert (result.done, result.ranks) == (True, 1)
    assert sorted(bench.kept.rows["index"]) == list(range(203))


def test_requests_before_the_start_and_at_the_end_are_refused(
    bench, builder, second_supports
):
    early = put_in(bench, builder, request(support=second_supports))
    receive, bench.ours.receive = bench.ours.receive, lambda: None
    bench.collector.step()
    bench.ours.receive = receive
    bench.step(3)
    bench.collector.interrupt()
    bench.collector.step()
    late = put_in(bench, builder, request(support=second_supports))
    bench.run()

    assert "the run is not under way" in early.result.reason
    assert "the run is not under way" in late.result.reason
    assert bench.update_requests.closed
    assert pairs(bench.kept.rows) == [(1, 7)]


def test_a_request_under_way_when_the_run_ends_is_answered(
    bench, builder, second_supports
):
    bench.step(3)
    update = put_in(bench, builder, request(support=second_supports))
    bench.collector.step()
    bench.collector.interrupt()
    bench.run()

    assert not update.result.done
    assert update.result.reason == "the run ended meanwhile"


def version(model, support, number, rule="mean"):
    return Version(
        model="m",
        weights_sha256=model,
        rule=rule,
        support_version=number,
        support_hash=support,
    )


def test_a_pair_of_numbers_means_one_content_whatever_is_swapped():
    history = [version("a", "x", 1)]
    contents = itertools.product("abc", "xyz", (0, 1, 2))
    for model, support, number in [*contents, ("a", "x", 1), ("b", "z", 5)]:
        history.append(numbered(history, version(model, support, number)))

    meanings = {
        (item.model_version, item.support_version): (
            item.weights_sha256,
            item.support_hash,
        )
        for item in history
    }
    assert len(meanings) == 9
    assert sorted(set(meanings.values())) == sorted(itertools.product("abc", "xyz"))
    assert all(
        meanings[item.model_version, item.support_version]
        == (item.weights_sha256, item.support_hash)
        for item in history
    )


def test_a_model_has_another_number_with_another_rule_and_its_old_one_again():
    history = [version("a", "x", 1)]
    for model, rule in (("a", "soft"), ("b", "soft"), ("a", "mean"), ("a", "soft")):
        history.append(numbered(history, version(model, "x", 1, rule)))

    assert [item.model_version for item in history] == [1, 2, 3, 1, 2]
    assert history[-1].has_content_of(history[1])
    assert not history[1].has_content_of(history[0])
    assert "by soft, support v1" in history[1].words


def test_a_free_number_of_a_support_set_is_kept():
    found = numbered([version("a", "x", 1)], version("a", "y", 12))

    assert (found.model_version, found.support_version) == (1, 12)


def test_so_many_versions_are_kept_to_go_back_to(
    bench, builder, first_weights, second_weights
):
    names = [second_weights, first_weights] * MOST_KEPT
    for name in names:
        built = builder.build(request(weights=name), bench.state.versions)
        bench.state.versions.append(built.version)
        builder.adopt(built)
    for _ in range(MOST_KEPT - 1):
        built = builder.build(request("back"), bench.state.versions)
        bench.state.versions.append(built.version)
        builder.adopt(built)

    with pytest.raises(SpecklennError, match="no earlier version"):
        builder.build(request("back"), bench.state.versions)
