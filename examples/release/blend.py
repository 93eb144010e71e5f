"""Blend two trainings of one network and keep the blend that validates best.

    python blend.py TRAINING.yaml FIRST.safetensors SECOND.safetensors OUT.safetensors

A training that goes on from other weights learns what it is shown and forgets some of
what it is not shown any more. Where it did not go far, weights on the straight line
between its start and its end keep both (Wortsman et al., CVPR 2022). TRAINING.yaml
names the validation files; nothing is trained. OUT gets the card of SECOND.
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path

from rich.console import Console

from specklenn.core import checkpoint
from specklenn.core.networks import Network
from specklenn.core.training.run import TrainingRun
from specklenn.core.training.validation import DECIDING, Verdict, judge, load_validation
from specklenn.core.validation import validate
from specklenn.core.yaml_lines import read_yaml

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def main() -> None:
    """Try the shares, say how each does, write the best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("training", type=Path, help="names the validation files")
    parser.add_argument("first", type=Path, help="weights to begin with")
    parser.add_argument("second", type=Path, help="weights trained on from them")
    parser.add_argument("out", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    options = parser.parse_args()

    run = validate(TrainingRun, read_yaml(options.training))
    run = run.located(options.training.parent)
    first, second = checkpoint.load(options.first), checkpoint.load(options.second)
    sets = load_validation(
        run.validation, run.validation_patterns, first.preprocessing, first.rule
    )
    found: dict[float, tuple[Verdict, Network]] = {}
    for share in options.shares:
        network = blend(first.encoder, second.encoder, share)
        found[share] = judge(network, sets), network
        Console(soft_wrap=True, highlight=False).print(
            f"share {share:g}: {words(found[share][0])}"
        )
    best = max(found, key=lambda share: found[share][0].score)
    verdict, network = found[best]
    scores = {"blended": best, "validation": verdict.score}
    card = second.card.model_copy(update={"scores": scores})
    checkpoint.save(
        options.out,
        network,
        first.preprocessing,
        card,
        first.rule,
        verdict.temperature,
        verdict.memory,
    )


def blend(first: Network, second: Network, share: float) -> Network:
    """Return a network whose weights lie between those of two, 0 the first's."""
    blended = copy.deepcopy(first)
    ours, theirs = first.state_dict(), second.state_dict()
    blended.load_state_dict(
        {
            name: ours[name].lerp(theirs[name], share)
            if ours[name].is_floating_point()
            else theirs[name]
            for name in ours
        }
    )
    return blended.eval()


def words(verdict: Verdict) -> str:
    """Return the five-shot accuracies in one line, their weighted mean last."""
    each = ", ".join(
        f"{name} {found[DECIDING]:.3f}" for name, found in verdict.accuracies.items()
    )
    return f"{each}; mean {verdict.score:.4f}"


if __name__ == "__main__":
    main()
