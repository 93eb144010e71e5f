"""The yardstick: what one would write first, one shot at a time in PyTorch."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from specklenn.core.network.specklenn2023 import Encoder

FRAME = (172, 172)


def some_frames(number: int, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return frames (number, 172, 172) of photons with read noise."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[: FRAME[0], : FRAME[1]] - (FRAME[0] - 1) / 2
    expected = 20 * np.exp(-np.hypot(x, y) / 20)
    frames = random.poisson(expected, (number, *FRAME))
    noise = random.normal(0, 0.15, frames.shape)
    return (frames + noise).astype(np.float32)


class PlainLoop:
    """Crop, bin, normalise, embed, compare with 15 supports; shot by shot.

    Parameters
    ----------
    encoder : Encoder
        Takes 48 x 48 (crop 96 by bin 2) or 96 x 96 pixels.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder.eval()
        self._width = 96 // encoder.input_side
        self._supports = torch.nn.functional.normalize(torch.randn(15, 128), dim=1)

    @torch.no_grad()
    def __call__(self, frame: npt.NDArray[np.float32]) -> int:
        """Return the class of one frame."""
        image = torch.from_numpy(frame)[38:134, 38:134]
        binned = torch.nn.functional.avg_pool2d(image[None, None], self._width)
        scaled = binned.clamp(min=0).sqrt()
        normal = (scaled - scaled.mean()) / scaled.std()
        vector = self._encoder(normal)
        distances = torch.cdist(vector, self._supports)[0].reshape(3, 5).mean(dim=1)
        return int(distances.argmin())


def per_second(do: Callable[[], object], items: int, seconds: float = 3.0) -> float:
    """Return items a second of something that handles `items` per call.

    The fastest of the calls that fit into the time, after one to warm up.
    """
    do()
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        do()
        fastest = min(fastest, time.perf_counter() - start)
    return items / fastest
