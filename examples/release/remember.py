"""Give a model a memory of other samples, for the rule of that name.

    python remember.py MODEL.safetensors OUT.safetensors SHOTS.h5 [SHOTS.h5 ...]

SHOTS are labelled shots with noise, of samples that nobody will judge the model by.
The mean vector of every class of every sample is kept, a few hundred bytes each;
nothing is trained. What it is good for: docs/evaluation.md, "Memory".
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import track

from specklenn.core import checkpoint
from specklenn.core.evaluation.labelled_file import LabelledFile, embed_file
from specklenn.core.labels import MULTI_HIT, NON_SAMPLE_HIT, SINGLE_HIT
from specklenn.core.memory import joined, remember

CLASSES = (SINGLE_HIT, MULTI_HIT, NON_SAMPLE_HIT)


def main() -> None:
    """Embed the files, write the model with what it then remembers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, help="weights, or a packaged model's name")
    parser.add_argument("out", type=Path, help="gets the same weights with the memory")
    parser.add_argument("files", type=Path, nargs="+", metavar="SHOTS.h5")
    parser.add_argument(
        "--classes",
        type=lambda text: tuple(text.split(",")),
        default=CLASSES,
        help="samples that lack one of them are left out",
    )
    options = parser.parse_args()

    model = checkpoint.load(options.model)
    memories = []
    for file in track(options.files, description="embedding", transient=True):
        (shots,) = embed_file(LabelledFile(file), model)
        memories.append(remember(shots.embeddings, shots.labels, shots.names))
    memory = joined(memories, options.classes)
    scores = model.card.scores | {"samples_remembered": len(memory)}
    checkpoint.save(
        options.out,
        model.encoder,
        model.preprocessing,
        model.card.model_copy(update={"scores": scores}),
        "memory",
        model.temperature,
        memory,
    )
    print(f"{options.out}: {len(memory)} samples remembered")


if __name__ == "__main__":
    main()
