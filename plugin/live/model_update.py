"""What is sent to the workers to classify by: model, rule and supports, or a fit.

All by content: no file names are sent, since ranks may be on machines that do not see
the same files. Of the supports only the crop is sent, of the model nothing where it
stays.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from specklenn.core.classify import Classifier
from specklenn.core.distances import Classification
from specklenn.core.errors import DataError
from specklenn.core.message_arrays import from_message, to_message
from specklenn.core.network.checkpoint import Card, Checkpoint, Weights, decode
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.settings import Settings
from specklenn.core.support import SupportSet
from specklenn.plugin.live.versions import Version


class ModelUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    eq=False,
    forbid_unknown_fields=True,
    tag="model",
):
    """A model and supports to classify the next shots with.

    Parameters
    ----------
    weights : Weights or None
        None where the model in use stays.
    preprocessing : Preprocessing
        That of the model, with the overrides of the run's configuration.
    classification : Classification
        With the rule to use.
    crops : (S, crop, crop) array
        The supports as the detector gives them, cut to the crop.
    labels : tuple of str
        Class of each support.
    origins : tuple of str
        Where each support is from, for messages.
    bad : (S, crop, crop) bool or None
        Pixels that are bad in one support alone.
    """

    version: Version
    weights: Weights | None
    preprocessing: Preprocessing
    classification: Classification
    crops: npt.NDArray[Any]
    labels: tuple[str, ...]
    origins: tuple[str, ...]
    bad: npt.NDArray[np.bool_] | None = None


class FitUpdate(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    eq=False,
    forbid_unknown_fields=True,
    tag="fit",
):
    """Hits of the run to fit the head to, beside the supports in use.

    Parameters
    ----------
    version : Version
        With the model and supports that the fit is for.
    hits : (U, side, side) float32
        As the network sees them.
    """

    version: Version
    hits: npt.NDArray[np.float32]


Update = ModelUpdate | FitUpdate


def pack_update(update: Update) -> bytes:
    """Turn an update into bytes."""
    return msgspec.msgpack.encode(update, enc_hook=_to_message)


def unpack_update(payload: bytes) -> Update:
    """Turn bytes into an update.

    Raises
    ------
    ValueError
        If they are none.
    """
    found: Update = msgspec.msgpack.decode(payload, type=Update, dec_hook=_from_message)
    return found


def apply_update(pipeline: Pipeline, update: Update) -> Pipeline:
    """Return the pipeline with what an update brings, all else unchanged.

    Raises
    ------
    SpecklennError
        If model, supports and this run do not fit together.
    """
    if isinstance(update, FitUpdate):
        return with_fit(pipeline, update)
    weights = update.weights
    model = decode(weights) if weights else pipeline.classifier.model
    return with_model(pipeline, update, model)


def with_fit(pipeline: Pipeline, update: FitUpdate) -> Pipeline:
    """Return the pipeline fitted to its supports and the hits of an update."""
    now, version = pipeline.classifier, update.version
    in_use = now.model.card.sha256, now.rule, now.supports.version
    if in_use != (version.weights_sha256, version.rule, version.support_version):
        raise DataError(
            f"fit v{version.fit_version} is for another model, rule or support set "
            f"than the model {now.model.card.name} in use here"
        )
    fitted = now.following(update.hits.copy())  # a message's bytes are read-only
    return pipeline.with_classifier(fitted, version.model_version, version.fit_version)


def with_model(pipeline: Pipeline, update: ModelUpdate, model: Checkpoint) -> Pipeline:
    """Return the same, given the update's model as a `Checkpoint`."""
    now, version = pipeline.classifier, update.version
    if model.card.sha256 != version.weights_sha256:
        raise DataError(
            f"the model {model.card.name} in use here is not the one that stays"
        )
    preprocessor = now.preprocessor.with_settings(update.preprocessing)
    supports = SupportSet(
        frames=_frames(update.crops, preprocessor),
        labels=np.array(update.labels),
        classes=now.classes,
        origins=update.origins,
        version=version.support_version,
        bad=None if update.bad is None else _frames(update.bad, preprocessor),
    )
    classifier = Classifier(
        model, supports, preprocessor, update.classification, now.device
    )
    return pipeline.with_classifier(classifier, version.model_version)


def _to_message(value: Any) -> Any:
    return value.model_dump_json() if isinstance(value, Settings) else to_message(value)


def _from_message(kind: Any, body: Any) -> Any:
    if kind in (Card, Preprocessing, Classification):
        return kind.model_validate_json(body)
    return from_message(kind, body)


def _frames(crops: npt.NDArray[Any], preprocessor: Preprocessor) -> npt.NDArray[Any]:
    """Put crops back into frames (S, H, W), which are zero elsewhere."""
    frames = np.zeros((len(crops), *preprocessor.shape), crops.dtype)
    frames[(slice(None), *preprocessor.window)] = crops
    return frames
