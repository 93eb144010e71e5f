"""The disturbances that accuracy is measured under, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from specklenn.core.errors import ConfigError
from specklenn.core.evaluation.draw_disturbances import (
    DrawDisturbance,
    mislabel,
    mix_samples,
    thin_out,
)
from specklenn.core.evaluation.frame_disturbances import (
    BACKGROUND_PHOTONS,
    COMMON_MODE_PHOTONS,
    GAIN,
    GAP_ROWS,
    OFFSET_PHOTONS,
    WANDERING_PIXELS,
    FrameDisturbance,
    add_background,
    add_common_mode,
    add_offset,
    change_gain,
    cut_at_mean,
    darken_gap,
    move_frames,
    move_light,
)


@dataclass(frozen=True, kw_only=True)
class Disturbance:
    """What real experiments do to supports and shots.

    Parameters
    ----------
    name : str
    meaning : str
        What it does, in words.
    frames : function or None
        Disturbs frames, those of supports and queries alike.
    draws : function or None
        Disturbs which supports there are, and of which classes.
    needs : str
        What of the data it cannot do without, in words.
    """

    name: str
    meaning: str
    frames: FrameDisturbance | None = None
    draws: DrawDisturbance | None = None
    needs: str = ""


DISTURBANCES = (
    Disturbance(
        name="wandering",
        meaning=f"every frame is moved by {WANDERING_PIXELS} pixels in a random "
        "direction, shadows of stop and gaps with it, beneath a mask that stays",
        frames=move_frames,
    ),
    Disturbance(
        name="wandering-light",
        meaning=f"the same {WANDERING_PIXELS} pixels, but the light alone moves and "
        "shadows stay behind the mask",
        frames=move_light,
    ),
    Disturbance(
        name="gap",
        meaning=f"{GAP_ROWS} rows beside the beam read zero, and no mask tells",
        frames=darken_gap,
    ),
    Disturbance(
        name="mean-cut",
        meaning="values below the mean of a frame are cut off, and those more than one "
        "standard deviation above it",
        frames=cut_at_mean,
    ),
    Disturbance(
        name="offset",
        meaning=f"every pixel reads {OFFSET_PHOTONS:g} photons too many",
        frames=add_offset,
    ),
    Disturbance(
        name="gain",
        meaning=f"every pixel reads {GAIN:g} of its photons",
        frames=change_gain,
    ),
    Disturbance(
        name="background",
        meaning=f"{BACKGROUND_PHOTONS:g} photons a pixel (Poisson) come from elsewhere",
        frames=add_background,
    ),
    Disturbance(
        name="common-mode",
        meaning="the zero of every detector row shifts from shot to shot, standard "
        f"deviation {COMMON_MODE_PHOTONS:g} photons",
        frames=add_common_mode,
    ),
    Disturbance(
        name="two-samples",
        meaning="half of the supports of every class are of another sample, and shots "
        "of both are classified",
        draws=mix_samples,
        needs="two samples and two supports per class",
    ),
    Disturbance(
        name="wrong-label",
        meaning="one support in five of every class has the label of another",
        draws=mislabel,
        needs="five supports per class",
    ),
    Disturbance(
        name="unequal",
        meaning="the first class has one support where the others have five",
        draws=thin_out,
        needs="two supports per class",
    ),
)
"""All of them, in the order of the tables."""

NAMES = tuple(each.name for each in DISTURBANCES)


def find_disturbances(names: Sequence[str]) -> tuple[Disturbance, ...]:
    """Return disturbances by their names, each once.

    Raises
    ------
    ConfigError
        If there is none of a name; says which there are.
    """
    by_name = dict(zip(NAMES, DISTURBANCES, strict=True))
    unknown = [name for name in names if name not in by_name]
    if unknown:
        listed = ", ".join(map(repr, unknown))
        raise ConfigError(f"no disturbance {listed}; there are {', '.join(NAMES)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))
