import csv
from dataclasses import replace
from html.parser import HTMLParser

import pytest

pytest.importorskip("matplotlib")

from specklenn.core.errors import DataError
from specklenn.core.evaluation.few_shot import EvaluationSettings
from specklenn.core.evaluation.labelled_file import as_read
from specklenn.core.reports.html_page import as_page
from specklenn.core.reports.model_evaluation import ModelEvaluation
from specklenn.core.reports.report import make_folder, write_report
from specklenn.core.reports.sample_sizes import Sizes
from specklenn.core.reports.scores_json import evaluation_json

SETTINGS = EvaluationSettings(n_shot=(1, 3), draws=2)
SIZES = Sizes(of={"small": 900.0, "large": 4000.0}, quantity="atoms")
PLAIN = {"accuracy", "confusion"}
TABLES = {"report.html", "samples.csv", "scores.json"}


class Page(HTMLParser):
    """Collects the text, the images and whatever a browser would fetch."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.links, self.words, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.sources += [found["src"]] if "src" in found else []
        self.links += [found["href"]] if "href" in found else []
        self.open += [] if tag in ("meta", "img") else [tag]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def evaluation_of(clean_file, tiny_model, settings):
    return ModelEvaluation(
        file=clean_file,
        weights="default",
        model=tiny_model,
        rule="mean",
        settings=settings,
        exposures={None: as_read},
        sizes=SIZES,
    )


@pytest.fixture(scope="module")
def evaluation(clean_file, tiny_model):
    return evaluation_of(clean_file, tiny_model, SETTINGS)


@pytest.fixture(scope="module")
def embedded(evaluation):
    return evaluation.embed()


@pytest.fixture(scope="module")
def result(evaluation, embedded):
    found = evaluation.evaluate(embedded)
    return replace(found, data="folder/<clean>.h5", sha256="0123456789abcdef")


@pytest.fixture(scope="module")
def scanned(result):
    return replace(result, by_fluence={0.1: result.main, 1.0: result.main})


def files(*names):
    return {f"{name}.{kind}" for name in names for kind in ("png", "pdf")} | TABLES


def test_a_plain_evaluation_has_three_figures_and_three_tables(result, tmp_path):
    written = write_report(tmp_path / "new/report", result)

    assert {path.name for path in written} == files(
        "accuracy", "confusion", "reliability"
    )
    assert set(written) == set((tmp_path / "new/report").iterdir())


def test_everything_that_was_asked_for_is_written(
    result, scanned, evaluation, embedded, tmp_path
):
    pytest.importorskip("sklearn")
    maps = evaluation.map_samples(embedded, result, ["small"])
    pictures = evaluation.pictures(maps, None)

    write_report(tmp_path, scanned, by_size=True, maps=maps, pictures=pictures)

    every = ("accuracy", "confusion", "reliability", "fluence", "size", "tsne")
    assert {path.name for path in tmp_path.iterdir()} == files(*every)
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.sources) == 6


def test_the_page_needs_nothing_else(result, tmp_path):
    write_report(tmp_path, result)

    page = Page((tmp_path / "report.html").read_text())

    assert len(page.sources) == 3
    assert all(source.startswith("data:image/png;base64,") for source in page.sources)
    assert page.links == []
    assert page.open == []


def test_the_page_says_what_was_measured_and_with_what(result, tmp_path):
    write_report(tmp_path, result)

    words = "".join(Page((tmp_path / "report.html").read_text()).words)
    for said in ("folder/<clean>.h5", "0123456789abcdef", "mean", "2, 0", "small"):
        assert said in words
    assert f"{result.main.first[3].accuracy.mean:.4f}" in words


def test_the_scores_are_those_of_the_json_option(result, tmp_path):
    write_report(tmp_path, result)

    assert (tmp_path / "scores.json").read_text() == evaluation_json(result)


def test_the_table_of_samples_can_be_read_by_other_programs(result, tmp_path):
    write_report(tmp_path, result)

    with (tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2
    last = rows[-1]
    assert (last["name"], last["shots"], last["atoms"]) == ("small", "3", "900")
    wanted = result.main.first[3].per_sample["small"].accuracy
    assert float(last["accuracy"]) == pytest.approx(wanted, abs=5e-5)
    assert last["patterns multi-hit"] == "12"


def test_what_was_left_out_stands_on_the_page(clean_file, tiny_model, embedded, result):
    settings = EvaluationSettings(n_shot=(1, 50))
    lacking = evaluation_of(clean_file, tiny_model, settings).evaluate(embedded)

    page = as_page(lacking, {"accuracy": b"", "confusion": b"", "reliability": b""})

    assert "50 supports: no sample has 51 patterns of every class" in page


def test_a_folder_that_cannot_be_made_is_refused(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(DataError, match=r"file/report: cannot be written: Not a dir"):
        make_folder(tmp_path / "file" / "report")


def test_a_file_in_the_way_is_named(result, tmp_path):
    (tmp_path / "samples.csv").mkdir()

    with pytest.raises(DataError, match=r"samples\.csv: cannot be written: Is a dir"):
        write_report(tmp_path, result)


def test_no_probe_is_left_in_the_folder(tmp_path):
    make_folder(tmp_path / "report")

    assert list((tmp_path / "report").iterdir()) == []
