"""The report of an evaluation as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from specklenn.core.reports.evaluation_result import EvaluationResult

CAPTIONS = {
    "accuracy": "Accuracy and F1 over the number of supports. A grey point is one "
    "sample; the mean over samples has its 95 % interval over samples.",
    "confusion": "How often each true class (row) was taken for each class (column), "
    "all samples and draws together.",
    "reliability": "How often a label is right, over its score; on the line, scores "
    "are probabilities. Areas are as large as the number of queries.",
    "fluence": "Accuracy and F1 over fluence; bands are 95 % intervals over samples. "
    "The expected photons of the file, with jitter, photons and read noise drawn "
    "anew at every fluence.",
    "size": "Accuracy and F1 of every sample over its size.",
    "tsne": "Maps (t-SNE) of the patterns of some samples: what lies together is alike "
    "to the network; axes and distances mean nothing else. Ringed: the supports of "
    "the first draw. Hollow: taken for another class with these supports. Of every "
    "class the clearest and the most misleading pattern are shown, photons on a "
    "logarithmic scale, masked pixels grey.",
}

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 sans-serif; color: #1c1c1c; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.5rem; }}
h2 {{ font-size: 1.15rem; margin-top: 2.2rem; }}
table {{ border-collapse: collapse; margin: 0.8rem 0; font-size: 0.9rem; }}
th, td {{ padding: 0.2rem 0.8rem; text-align: right; border-bottom: 1px solid #ddd;
  font-variant-numeric: tabular-nums; }}
th:first-child, td:first-child {{ text-align: left; }}
.facts td {{ text-align: left; overflow-wrap: anywhere; }}
figure {{ margin: 1rem 0; break-inside: avoid; }}
img {{ max-width: 100%; height: auto; }}
figcaption {{ font-size: 0.9rem; color: #444; max-width: 46rem; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def as_page(study: EvaluationResult, images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    study : EvaluationResult
    images : dict of name to bytes
        Figures as PNG, see `CAPTIONS`.
    """
    title = f"Few-shot evaluation of {study.weights} on {Path(study.data).name}"
    parts = [f"<h1>{html.escape(title)}</h1>", _facts(study), *_scores(study)]
    parts.append(_figure("accuracy", images))
    parts += ["<h2>Confusion</h2>", _confusion(study), _figure("confusion", images)]
    parts += ["<h2>Confidence</h2>", _confidence(study)]
    parts.append(_figure("reliability", images))
    if study.scan:
        parts += ["<h2>Fluence</h2>", _scan(study), _figure("fluence", images)]
    if "size" in images:
        parts += ["<h2>Size of the sample</h2>", _figure("size", images)]
    if "tsne" in images:
        parts += ["<h2>Maps of samples</h2>", _figure("tsne", images)]
    parts += ["<h2>Samples</h2>", _samples(study)]
    return PAGE.format(title=html.escape(title), body="\n".join(parts))


def _confidence(study: EvaluationResult) -> str:
    found = study.main.confidence
    lines = [
        f"Scores are the softmax of minus the distances at temperature "
        f"{found.temperature:.3g}; {found.best_temperature:.3g} would fit these data "
        f"best. Expected calibration error with {found.shots} supports: "
        f"{found.reliability.error:.3f}."
    ]
    lines += [
        f"A {label}, for which there were no supports, is farther from all classes "
        f"than a query with probability {probability:.3f}."
        for label, probability in found.ood_auroc.items()
    ]
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _facts(study: EvaluationResult) -> str:
    asked = study.conditions
    at = "" if study.fluence is None else f", at fluence {study.fluence:g}"
    facts = [
        ("data", study.data),
        ("weights", f"{study.weights} (SHA-256 {study.sha256})"),
        ("classes", ", ".join(asked.classes)),
        ("rule for the distance to a class", asked.rule),
        ("draws of supports per sample, seed", f"{asked.draws}, {asked.seed}"),
        ("detector area", asked.area),
        ("patterns judged", f"{study.main.total}{at}"),
    ]
    return _table((), facts, "facts")


def _scores(study: EvaluationResult) -> list[str]:
    first = study.conditions.classes[0]
    headings = ["supports per class", "accuracy", "95 % interval"]
    headings += [f"F1 of {first}", "precision", "recall", "samples"]
    rows = [
        (
            shots,
            f"{score['accuracy']:.4f}",
            f"{score['ci95'][0]:.4f} to {score['ci95'][1]:.4f}",
            f"{score['f1']:.4f}",
            f"{score['precision']:.4f}",
            f"{score['recall']:.4f}",
            len(score["per_sample"]),
        )
        for shots, score in study.main.scores.items()
    ]
    left_out = [f"<p>Left out: {html.escape(why)}.</p>" for why in study.main.left_out]
    return ["<h2>Accuracy</h2>", _table(headings, rows), *left_out]


def _confusion(study: EvaluationResult) -> str:
    """Return as a table how often every class was taken for each."""
    classes = study.conditions.classes
    rows = [
        [
            true,
            shots,
            *(f"{100 * score['confusion'][true][found]:.1f} %" for found in classes),
        ]
        for true in classes
        for shots, score in study.main.scores.items()
    ]
    return _table(["true", "supports", *(f"found {name}" for name in classes)], rows)


def _scan(study: EvaluationResult) -> str:
    numbers = list(study.main.scores)
    rows = [
        [f"{fluence:g}", *_texts(found.scores.get(shots) for shots in numbers)]
        for fluence, found in study.scan.items()
    ]
    return _table(["fluence", *_headings(study)], rows)


def _samples(study: EvaluationResult) -> str:
    sizes = study.sizes.of if study.sizes else {}
    quantity = study.sizes.quantity.replace("_", ", ") if study.sizes else "size"
    rows = [
        [
            name,
            f"{sizes[name]:,.0f}" if name in sizes else "",
            " + ".join(map(str, patterns.values())),
            *_texts(
                score["per_sample"].get(name) for score in study.main.scores.values()
            ),
        ]
        for name, patterns in study.main.patterns.items()
    ]
    return _table(["sample", quantity, "patterns", *_headings(study)], rows)


def _headings(study: EvaluationResult) -> list[str]:
    """Return the headings of `_texts` for every number of supports."""
    return [
        f"{name}, {shots}" for shots in study.main.scores for name in ("accuracy", "F1")
    ]


def _texts(scores: Iterable[Mapping[str, float] | None]) -> list[str]:
    """Return accuracy and F1 of each score, empty where there is none."""
    return [
        "" if score is None else f"{score[key]:.4f}"
        for score in scores
        for key in ("accuracy", "f1")
    ]


def _figure(name: str, images: Mapping[str, bytes]) -> str:
    data = base64.b64encode(images[name]).decode("ascii")
    caption = html.escape(CAPTIONS[name])
    return (
        f'<figure><img src="data:image/png;base64,{data}" alt="{caption}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[object]], kind: str = "numbers"
) -> str:
    head = _row(headings, "th") if headings else ""
    body = "\n".join(_row(row, "td") for row in rows)
    return f'<table class="{kind}">\n{head}\n{body}\n</table>'


def _row(cells: Iterable[object], tag: str) -> str:
    inside = "".join(f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells)
    return f"<tr>{inside}</tr>"
