"""The report of an evaluation as one HTML page that needs no other file."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from specklenn.core.evaluation.disturbance_table import DisturbanceTable
from specklenn.core.evaluation.evaluate import FewShotScores
from specklenn.core.reports.evaluation_result import EvaluationResult

CAPTIONS = {
    "accuracy": "Accuracy and F1 over the number of supports. A grey point is one "
    "sample; the mean over samples has its 95 % interval over samples, one sample "
    "alone that over its shots.",
    "confusion": "How often each true class (row) was taken for each class (column), "
    "all samples and draws together.",
    "reliability": "How often a label is right, over its score; on the line, scores "
    "are probabilities. Areas are as large as the number of queries.",
    "fluence": "Accuracy and F1 over fluence; bands are 95 % intervals over samples, "
    "of one sample alone over its shots. "
    "The expected photons of the file, with jitter, photons and read noise drawn "
    "anew at every fluence.",
    "disturbances": "Accuracy lost by every disturbance, for each number of supports, "
    "with the same patterns and draws as without.",
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
.meanings td:nth-child(2) {{ text-align: left; }}
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


def as_page(result: EvaluationResult, images: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    result : EvaluationResult
    images : dict of name to bytes
        Figures as PNG, see `CAPTIONS`.
    """
    title = f"Few-shot evaluation of {result.weights} on {Path(result.data).name}"
    parts = [f"<h1>{html.escape(title)}</h1>", _facts(result), *_scores(result)]
    parts.append(_figure("accuracy", images))
    parts += ["<h2>Confusion</h2>", _confusion(result), _figure("confusion", images)]
    parts += ["<h2>Confidence</h2>", _confidence(result)]
    parts.append(_figure("reliability", images))
    if result.scan:
        parts += ["<h2>Fluence</h2>", _scan(result), _figure("fluence", images)]
    if result.disturbances is not None:
        parts += ["<h2>Disturbances</h2>", *_disturbances(result.disturbances)]
        parts.append(_figure("disturbances", images))
    if "size" in images:
        parts += ["<h2>Size of the sample</h2>", _figure("size", images)]
    if "tsne" in images:
        parts += ["<h2>Maps of samples</h2>", _figure("tsne", images)]
    parts += ["<h2>Samples</h2>", _samples(result)]
    return PAGE.format(title=html.escape(title), body="\n".join(parts))


def _confidence(result: EvaluationResult) -> str:
    found = result.confidence
    lines = [
        f"With {found.n_shot} supports: log loss {found.log_loss:.3f}, expected "
        f"calibration error {found.reliability.error:.3f}. Logarithms of scores "
        f"divided by {found.best_temperature / found.temperature:.3g} would fit these "
        "data best; 1 where scores are probabilities.",
        f"{100 * found.unknown:.1f} % of these patterns are called unknown, because "
        "they are far from every class or none is probable; of the others "
        f"{100 * found.accuracy_of_known:.1f} % are right. The accuracy above counts "
        "the best class of every pattern.",
    ]
    lines += [
        f"A {label}, for which there were no supports, is farther from all classes "
        f"than a query with probability {probability:.3f}; "
        f"{100 * found.ood_unknown[label]:.1f} % of them are called unknown."
        for label, probability in found.ood_auroc.items()
    ]
    return "".join(f"<p>{html.escape(line)}</p>" for line in lines)


def _facts(result: EvaluationResult) -> str:
    settings = result.settings
    at = "" if result.fluence is None else f", at fluence {result.fluence:g}"
    facts = [
        ("data", result.data),
        ("weights", f"{result.weights} (SHA-256 {result.sha256})"),
        ("classes", ", ".join(settings.classes)),
        ("rule for the distance to a class", result.rule),
        ("draws of supports per sample, seed", f"{settings.draws}, {settings.seed}"),
        ("detector area", settings.area),
        ("patterns judged", f"{result.main.draws.total}{at}"),
    ]
    return _table((), facts, "facts")


def _scores(result: EvaluationResult) -> list[str]:
    first = result.settings.classes[0]
    headings = ["supports per class", "accuracy", "95 % interval"]
    headings += [f"F1 of {first}", "precision", "recall", "samples"]
    rows = [
        (
            n_shot,
            f"{found.accuracy.mean:.4f}",
            found.accuracy.interval,
            f"{found.f1.mean:.4f}",
            f"{found.precision:.4f}",
            f"{found.recall:.4f}",
            len(found.per_sample),
        )
        for n_shot, found in result.main.first.items()
    ]
    left_out = [
        f"<p>Left out: {html.escape(why)}.</p>" for why in result.main.draws.left_out
    ]
    said = [f"<p>{html.escape(sentence)}</p>" for sentence in result.assumptions]
    return ["<h2>Accuracy</h2>", _table(headings, rows), *said, *left_out]


def _confusion(result: EvaluationResult) -> str:
    """Return as a table how often every class was taken for each."""
    classes = result.settings.classes
    rows = [
        [
            true,
            n_shot,
            *(f"{100 * score.confusion[true][found]:.1f} %" for found in classes),
        ]
        for true in classes
        for n_shot, score in result.main.first.items()
    ]
    return _table(["true", "supports", *(f"found {name}" for name in classes)], rows)


def _scan(result: EvaluationResult) -> str:
    rows = [
        [f"{fluence:g}", *_scan_cells(result, scores)]
        for fluence, scores in result.scan.items()
    ]
    return _table(["fluence", *_headings(result)], rows)


def _scan_cells(result: EvaluationResult, scores: FewShotScores) -> Iterator[str]:
    found = [scores.first.get(n_shot) for n_shot in result.main.first]
    return _cells(
        None if one is None else (one.accuracy.mean, one.f1.mean) for one in found
    )


def _disturbances(table: DisturbanceTable) -> list[str]:
    supports = table.main_n_shot
    headings = ["disturbance", "what it does"]
    headings += [f"accuracy, {n_shot}" for n_shot in table.n_shots]
    headings += [f"change, {supports}", f"log loss, {supports}"]
    rows = [
        [row.disturbance.name, row.disturbance.meaning, *table.cells(row)]
        for row in table.rows
    ]
    missing = [f"<p>Left out: {html.escape(why)}.</p>" for why in table.missing()]
    return [_table(headings, rows, "meanings"), *missing]


def _samples(result: EvaluationResult) -> str:
    sizes = result.sizes.of if result.sizes else {}
    quantity = result.sizes.quantity.replace("_", ", ") if result.sizes else "size"
    rows = [
        [
            name,
            f"{sizes[name]:,.0f}" if name in sizes else "",
            " + ".join(map(str, patterns.values())),
            *_sample_cells(result, name),
        ]
        for name, patterns in result.main.draws.patterns.items()
    ]
    return _table(["sample", quantity, "patterns", *_headings(result)], rows)


def _sample_cells(result: EvaluationResult, name: str) -> Iterator[str]:
    found = [summary.per_sample.get(name) for summary in result.main.first.values()]
    return _cells(None if one is None else (one.accuracy, one.f1) for one in found)


def _headings(result: EvaluationResult) -> list[str]:
    """Return the headings of `_cells` for every number of supports."""
    numbers = list(result.main.first)
    return [f"{name}, {n_shot}" for n_shot in numbers for name in ("accuracy", "F1")]


def _cells(scores: Iterable[tuple[float, float] | None]) -> Iterator[str]:
    """Give each accuracy and F1 as text, empty where there is none."""
    for pair in scores:
        yield from ("", "") if pair is None else (f"{value:.4f}" for value in pair)


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
