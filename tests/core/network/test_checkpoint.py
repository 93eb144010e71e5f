import copy
import json
import resource

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from specklenn.core.errors import DataError, WeightsError
from specklenn.core.evaluation.few_shot import TWO_WAY
from specklenn.core.network import checkpoint
from specklenn.core.network.checkpoint import Card
from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.embed import embed
from specklenn.core.network.prototype_adapter import make_prototype_fn
from specklenn.core.preprocess import Preprocessing


@pytest.fixture
def saved(tmp_path, model):
    path = tmp_path / "m.safetensors"
    checkpoint.save(
        path, model.encoder, Preprocessing(crop=48, bin=1), Card(name="m", seed=4)
    )
    return path


def test_a_model_survives_saving_to_half_precision(saved, model):
    loaded = checkpoint.load(saved)

    pictures = torch.randn(4, 1, 48, 48)
    with torch.inference_mode():
        difference = loaded.encoder(pictures) - model.encoder(pictures)
    assert float(difference.abs().max()) < 2e-3
    assert loaded.preprocessing == Preprocessing(crop=48, bin=1)
    assert loaded.card.seed == 4
    assert loaded.rule == "mean"
    assert not loaded.encoder.training


def test_the_rule_that_a_model_was_chosen_by_is_stored(tmp_path, model):
    path = tmp_path / "m.safetensors"

    checkpoint.save(path, model.encoder, model.preprocessing, model.card, "soft")

    assert checkpoint.load(path).rule == "soft"


def test_the_adapter_is_stored_with_the_network_and_may_be_missing(tmp_path, model):
    path, preprocessing = tmp_path / "m.safetensors", model.preprocessing
    torch.manual_seed(1)
    encoder = CompactEncoder(48).eval()
    means, numbers = np.random.default_rng(0).normal(size=(2, 128)), np.array([1, 5])

    def loaded():
        checkpoint.save(path, encoder, preprocessing, model.card, "learned")
        return checkpoint.load(path).encoder.prototype_adapter

    expected, found = (
        make_prototype_fn(adapter, TWO_WAY)(means, numbers)
        for adapter in (encoder.prototype_adapter, loaded())
    )
    np.testing.assert_allclose(found, expected, atol=2e-3)
    encoder.prototype_adapter = None
    assert loaded() is None


def rewrite(path, rename=lambda name: name, **changes):
    """Write a weights file again with other names or another header; None: no key."""
    with safe_open(path, framework="pt") as file:
        header = {**file.metadata(), **changes}
    kept = {key: value for key, value in header.items() if value is not None}
    tensors = {rename(name): tensor for name, tensor in load_file(path).items()}
    save_file(tensors, path, metadata=kept)
    card = json.loads(checkpoint.card_path(path).read_text())
    card["sha256"] = checkpoint.file_hash(path)
    checkpoint.card_path(path).write_text(json.dumps(card))


def test_a_model_from_before_there_was_a_choice_has_the_papers_rule(saved):
    rewrite(saved, rule=None)

    assert checkpoint.load(saved).rule == "mean"


def test_a_rule_that_is_not_known_is_refused(saved):
    rewrite(saved, rule="median")

    with pytest.raises(WeightsError, match="rule 'median', one of ensemble, mean, "):
        checkpoint.load(saved)


def test_a_model_that_cannot_be_written_leaves_the_older_one(saved, model):
    before = saved.read_bytes(), checkpoint.card_path(saved).read_bytes()
    saved.with_name("m.card.json.part").mkdir()

    with pytest.raises(DataError, match=r"m.safetensors: cannot be written"):
        checkpoint.save(saved, model.encoder, Preprocessing(), Card(name="other"))

    assert (saved.read_bytes(), checkpoint.card_path(saved).read_bytes()) == before


def former_name(name):
    if not name.startswith("prototype_adapter."):
        return name
    return name.replace("prototype_adapter.", "placer.").replace("offset.", "place.")


def test_a_file_of_the_version_before_is_the_same_model_and_warns_once(
    tmp_path, caplog
):
    torch.manual_seed(3)
    path = tmp_path / "m.safetensors"
    preprocessing = Preprocessing(standardise=False, round_photons=True)
    encoder = CompactEncoder(48).eval()
    checkpoint.save(path, encoder, preprocessing, Card(name="m"), "learned")
    now = checkpoint.load(path)
    assert caplog.messages == []
    told = json.loads(preprocessing.model_dump_json())
    told["whole_photons"] = told.pop("round_photons")
    told["fill_mates"] = told.pop("fill_friedel_mates")
    rewrite(path, former_name, preprocessing=json.dumps(told))

    before = checkpoint.load(path)

    inputs = np.random.default_rng(0).random((3, 48, 48), np.float32)
    np.testing.assert_array_equal(
        embed(before.encoder, inputs), embed(now.encoder, inputs)
    )
    means, numbers = np.random.default_rng(1).normal(size=(2, 128)), np.array([1, 5])
    found, expected = (
        make_prototype_fn(model.encoder.prototype_adapter, TWO_WAY)(means, numbers)
        for model in (before, now)
    )
    np.testing.assert_array_equal(found, expected)
    assert before.preprocessing == now.preprocessing == preprocessing
    assert caplog.messages == [
        f"model.weights: {path} has names of the version before, which are read for now"
    ]


@pytest.mark.parametrize("name", ["default", "paper"])
def test_packaged_models_load_without_a_warning(name, caplog):
    checkpoint.load(name)

    assert caplog.messages == []


def test_the_packaged_model_loads_and_its_card_tells_its_story():
    loaded = checkpoint.load("default")

    assert loaded.card.data
    assert loaded.card.commit
    assert loaded.card.scores
    assert loaded.encoder.input_side == loaded.preprocessing.input_side


def test_weights_that_differ_from_their_card_are_refused(saved):
    content = bytearray(saved.read_bytes())
    content[-1] ^= 1
    saved.write_bytes(content)

    with pytest.raises(WeightsError, match=r"SHA-256 .* its card says"):
        checkpoint.load(saved)


def test_weights_without_a_card_are_refused(saved):
    checkpoint.card_path(saved).unlink()

    with pytest.raises(WeightsError, match="card"):
        checkpoint.load(saved)


def test_a_broken_card_is_refused(saved):
    checkpoint.card_path(saved).write_text("{")

    with pytest.raises(WeightsError, match="no model card"):
        checkpoint.load(saved)


def test_tensors_of_another_program_are_refused(tmp_path, saved):
    save_file({"x": torch.zeros(3)}, saved)
    card = json.loads(checkpoint.card_path(saved).read_text())
    card["sha256"] = checkpoint.file_hash(saved)
    checkpoint.card_path(saved).write_text(json.dumps(card))

    with pytest.raises(WeightsError, match="no model of this version"):
        checkpoint.load(saved)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no-such-model", "packaged are .*default"),
        ("no/such.safetensors", "no such file"),
    ],
)
def test_a_missing_model_is_named(name, words):
    with pytest.raises(WeightsError, match=words):
        checkpoint.load(name)


@pytest.mark.parametrize("found", ["nan", "0", "-1", "inf", "warm"])
def test_a_temperature_that_gives_no_probabilities_is_refused(saved, found):
    rewrite(saved, temperature=found)

    with pytest.raises(WeightsError, match=f"no model of this version.*{found}"):
        checkpoint.load(saved)


@pytest.mark.parametrize(
    ("key", "size"), [("input_side", 80_000), ("embedding_size", 10**9)]
)
def test_sizes_that_a_header_claims_take_no_memory(saved, key, size):
    rewrite(saved, **{key: str(size)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(WeightsError, match="size mismatch"):
        checkpoint.load(saved)

    taken_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert taken_kib < 100 * 1024


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, model, value):
    encoder = copy.deepcopy(model.encoder)
    with torch.no_grad():
        next(encoder.parameters()).view(-1)[3] = value
    path = tmp_path / "m.safetensors"
    checkpoint.save(path, encoder, model.preprocessing, model.card)

    with pytest.raises(WeightsError, match="holds NaN or infinity"):
        checkpoint.load(path)


def test_a_card_that_is_nested_too_deeply_is_refused(saved):
    checkpoint.card_path(saved).write_text("[" * 100_000)

    with pytest.raises(WeightsError, match="no model card"):
        checkpoint.load(saved)
