"""The embedding networks by the names that weights files and training settings use."""

from __future__ import annotations

from specklenn.core.network.compact import CompactEncoder
from specklenn.core.network.specklenn2023 import Encoder

Network = Encoder | CompactEncoder

ARCHITECTURES: dict[str, type[Network]] = {
    Encoder.architecture: Encoder,
    CompactEncoder.architecture: CompactEncoder,
}


def make_network(architecture: str, input_side: int, embedding_size: int) -> Network:
    """Return a network with random weights.

    Raises
    ------
    ValueError
        If there is no such architecture or the input does not fit it.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(
            f"architecture {architecture!r}, one of {', '.join(ARCHITECTURES)} expected"
        )
    return ARCHITECTURES[architecture](input_side, embedding_size)
