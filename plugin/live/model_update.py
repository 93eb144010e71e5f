"""What a swap sends to the workers: a model and a support set, by content.

No file names travel: ranks may be on machines that do not see the same files. Of
the supports only the crop travels, of the model nothing where it stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from specklenn.core.classify import Classifier
from specklenn.core.errors import DataError
from specklenn.core.network.checkpoint import Card, Checkpoint, Weights, decode
from specklenn.core.pipeline import Pipeline
from specklenn.core.preprocess import Preprocessing, Preprocessor
from specklenn.core.support import SupportSet
from specklenn.plugin.live.versions import Version


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidate:
    """A model and supports that may judge the shots to come.

    Parameters
    ----------
    version : Version
    weights : Weights or None
        None where the model in use stays.
    preprocessing : Preprocessing
        The model's, with what the run's configuration puts on top.
    crops : (S, crop, crop) array
        The supports as the detector gives them, cut to the crop.
    labels : tuple of str
        Class of each support.
    origins : tuple of str
        Where each support is from, for messages.
    """

    version: Version
    weights: Weights | None
    preprocessing: Preprocessing
    crops: npt.NDArray[Any]
    labels: tuple[str, ...]
    origins: tuple[str, ...]


def pack_candidate(candidate: Candidate) -> bytes:
    """Turn a candidate into bytes."""
    weights, crops = candidate.weights, np.ascontiguousarray(candidate.crops)
    packed: bytes = msgpack.packb(
        {
            "version": candidate.version.model_dump(),
            "weights": weights
            and [weights.content, weights.card.model_dump_json(), weights.source],
            "preprocessing": candidate.preprocessing.model_dump_json(),
            "crops": [crops.dtype.str, list(crops.shape), crops.tobytes()],
            "labels": candidate.labels,
            "origins": candidate.origins,
        }
    )
    return packed


def unpack_candidate(payload: bytes) -> Candidate:
    """Turn bytes into a candidate.

    Raises
    ------
    ValueError
        If they are none.
    """
    body = msgpack.unpackb(payload)
    dtype, shape, crops = body["crops"]
    return Candidate(
        version=Version.model_validate(body["version"]),
        weights=_weights(*body["weights"]) if body["weights"] else None,
        preprocessing=Preprocessing.model_validate_json(body["preprocessing"]),
        crops=np.frombuffer(crops, dtype).reshape(shape),
        labels=tuple(body["labels"]),
        origins=tuple(body["origins"]),
    )


def successor(pipeline: Pipeline, candidate: Candidate) -> Pipeline:
    """Build the pipeline that judges by a candidate, with everything else as it is.

    Raises
    ------
    SpecklennError
        If model, supports and this run do not fit together.
    """
    weights = candidate.weights
    model = decode(weights) if weights else pipeline.classifier.model
    return with_model(pipeline, candidate, model)


def with_model(pipeline: Pipeline, candidate: Candidate, model: Checkpoint) -> Pipeline:
    """Build the same with the candidate's model, which is made already."""
    now, version = pipeline.classifier, candidate.version
    if model.card.sha256 != version.weights_sha256:
        raise DataError(
            f"the model {model.card.name} in use here is not the one that stays"
        )
    preprocessor = now.preprocessor.with_settings(candidate.preprocessing)
    supports = SupportSet(
        frames=_frames(candidate.crops, preprocessor),
        labels=np.array(candidate.labels),
        classes=now.classes,
        origins=candidate.origins,
        version=version.support_version,
    )
    classifier = Classifier(model, supports, preprocessor, now.settings, now.device)
    return pipeline.with_classifier(classifier, version.model_version)


def _weights(content: bytes, card: str, source: str) -> Weights:
    return Weights(content=content, card=Card.model_validate_json(card), source=source)


def _frames(crops: npt.NDArray[Any], preprocessor: Preprocessor) -> npt.NDArray[Any]:
    """Put crops back into frames (S, H, W), which are zero elsewhere."""
    frames = np.zeros((len(crops), *preprocessor.shape), crops.dtype)
    frames[(slice(None), *preprocessor.window)] = crops
    return frames
