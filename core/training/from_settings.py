"""The trainer that the settings of a training ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

import torch

from specklenn.core.errors import DataError
from specklenn.core.network.registry import Network, make_network
from specklenn.core.network.specklenn2023 import Encoder, store_channels_last
from specklenn.core.network.weight_mean import mean_weights
from specklenn.core.training.data import TrainingData
from specklenn.core.training.episodic_objective import EpisodicObjective
from specklenn.core.training.optimiser import learning_rate, make_optimiser
from specklenn.core.training.ranks import ALONE, Ranks
from specklenn.core.training.settings import Training
from specklenn.core.training.trainer import Trainer
from specklenn.core.training.triplet_objective import TripletObjective

CPU = torch.device("cpu")


def make_trainer(
    settings: Training,
    data: TrainingData,
    *,
    start: Sequence[str | os.PathLike[str]] = (),
    ranks: Ranks = ALONE,
    device: torch.device = CPU,
    bfloat16: bool = False,
) -> Trainer:
    """Return the trainer of a network.

    Parameters
    ----------
    settings : Training
    data : TrainingData
    start : sequence of path
        Weights whose mean is taken instead of random ones.
    ranks : Ranks
        The processes that train together, each its parts of every step.
    device : torch.device
        Where the network is.
    bfloat16 : bool
        Whether the network computes in half the bits where that does no harm.

    Raises
    ------
    DataError
        If no sample has two patterns of every class, patterns are too small, or
        weights to start from are of another network.
    WeightsError
        If weights to start from cannot be read.
    ConfigError
        If the parts of a step cannot be shared out among the ranks.
    """
    objective = make_objective(settings, data)
    network = _make_network(settings)
    if start:
        # Weights that were fine-tuned have no adapter: the random one stays then.
        weights = network.state_dict() | mean_weights(start, network)
        network.load_state_dict(weights)
    network.to(device)
    store_channels_last(network)
    return Trainer(
        network,
        objective,
        make_optimiser(settings, network),
        partial(learning_rate, settings),
        settings.steps,
        average=settings.average,
        ranks=ranks,
        bfloat16=bfloat16,
    )


def make_objective(
    settings: Training, data: TrainingData
) -> EpisodicObjective | TripletObjective:
    """Return the objective of a training.

    Raises
    ------
    DataError
        If the data do not serve it, or patterns are too small.
    """
    side = settings.preprocess.input_side
    if min(data.patterns.shape[1:]) < side:
        raise DataError(
            f"training data: binned patterns of {tuple(data.patterns.shape[1:])} "
            f"pixels, at least {side} expected"
        )
    if settings.episodes is not None:
        return EpisodicObjective(settings, settings.episodes, data)
    return TripletObjective(settings, data)


def _make_network(settings: Training) -> Network:
    """Return a network of random weights, in the mode in which it learns."""
    torch.manual_seed(settings.seed)
    side, size = settings.preprocess.input_side, settings.embedding_size
    network: Network
    if settings.network == Encoder.architecture:
        network = Encoder(side, size, settings.initial_std)
    else:
        network = make_network(settings.network, side, size)
    if settings.only_prototype_adapter:
        assert network.prototype_adapter is not None
        network.eval().requires_grad_(False)
        network.prototype_adapter.requires_grad_(True)
    return network
