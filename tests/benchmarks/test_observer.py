"""The observer of the benchmarks, which are scripts: imported from where it lies."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import integrate, special, stats

from specklenn.core.simulation.noise import NO_NOISE, Noise, draw_jitter

PATH = Path(__file__).parents[2] / "benchmarks/observer.py"
SPEC = importlib.util.spec_from_file_location("observer", PATH)
observer = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(observer)

JITTER = Noise(read_noise_photons=0.0)
STEADY = NO_NOISE.model_copy(update={"shot_noise": True})


def log_evidence(counts, templates, noise):
    """Log of the mean likelihood over templates, (queries,)."""
    queries = observer.Queries(
        counts, np.ones(len(counts)), np.ones(templates.shape[1]), noise
    )
    mean = observer.LogMean()
    mean.add(queries.log_likelihoods(templates)[0])
    return mean.value


def brute_force(counts, template, noise, fluence=1.0):
    """Poisson likelihood of one query, integrated over the clipped gamma jitter."""

    def likelihood(jitter):
        return stats.poisson.pmf(counts, jitter * fluence * template).prod()

    gamma = stats.gamma(noise.jitter_shape, scale=1 / noise.jitter_shape)
    low, high = noise.jitter_limits
    between, _ = integrate.quad(
        lambda jitter: gamma.pdf(jitter) * likelihood(jitter), low, high, epsabs=0
    )
    ends = gamma.cdf(low) * likelihood(low) + gamma.sf(high) * likelihood(high)
    return between + ends


@pytest.mark.parametrize("photons", [0, 1, 7, 60])
@pytest.mark.parametrize("expected", [0.01, 1.0, 12.0, 300.0])
def test_the_mean_over_the_jitter_is_that_of_a_numerical_integral(photons, expected):
    gamma = stats.gamma(2.5, scale=1 / 2.5)

    def value(jitter):
        return jitter**photons * np.exp(-jitter * expected)

    between, _ = integrate.quad(
        lambda jitter: gamma.pdf(jitter) * value(jitter), 0.1, 4.0, epsabs=0
    )
    true = between + gamma.cdf(0.1) * value(0.1) + gamma.sf(4.0) * value(4.0)

    found = observer.log_jitter_mean(photons, expected, JITTER)

    assert found == pytest.approx(np.log(true), abs=1e-6)


def test_the_mean_over_the_jitter_is_that_of_the_jitter_that_is_drawn():
    random = np.random.default_rng(0)
    drawn = np.array([draw_jitter(random, JITTER) for _ in range(40_000)])

    found = observer.log_jitter_mean(3, 5.0, JITTER)

    assert np.exp(found) == pytest.approx(
        (drawn**3 * np.exp(-5 * drawn)).mean(), rel=0.02
    )


def test_the_mean_over_the_jitter_stays_finite_far_from_what_is_expected():
    far = observer.log_jitter_mean([0, 100_000, 5], [1e5, 10.0, 1e5], JITTER)

    assert np.isfinite(far).all()


def test_without_jitter_the_mean_is_that_of_the_mean_fluence():
    found = observer.log_jitter_mean([[0], [9]], [1.0, 2.0], STEADY)

    assert found.tolist() == [[-1.0, -2.0], [-1.0, -2.0]]


def test_likelihoods_differ_as_those_of_a_sum_over_pixels_and_jitter():
    random = np.random.default_rng(1)
    templates = random.gamma(2.0, 3.0, (2, 5))
    counts = random.poisson(templates.mean(axis=0), (4, 5))
    fluences = np.array([0.3, 1.0, 1.0, 2.0])
    queries = observer.Queries(counts, fluences, templates.mean(axis=0), JITTER)

    (found,) = queries.log_likelihoods(templates)

    true = [
        [np.log(brute_force(row, template, JITTER, fluence)) for template in templates]
        for row, fluence in zip(counts, fluences, strict=True)
    ]
    assert found[:, 0] - found[:, 1] == pytest.approx(
        np.subtract(*np.transpose(true)), abs=1e-4
    )


def test_a_blunt_template_is_a_geometric_mean_with_the_total_it_had():
    templates = np.array([[1.0, 4.0, 3.0], [2.0, 2.0, 8.0]])
    reference = np.array([2.0, 1.0, 5.0])
    counts = np.array([[1, 0, 3], [0, 5, 2]])
    queries = observer.Queries(counts, np.ones(2), reference, JITTER)

    sharp, blunt, flat = queries.log_likelihoods(templates, (1.0, 0.5, 0.0))

    means = np.sqrt(templates * reference)
    means *= (templates.sum(axis=1) / means.sum(axis=1))[:, None]
    level = reference * (templates.sum(axis=1) / reference.sum())[:, None]
    assert sharp == pytest.approx(queries.log_likelihoods(templates)[0])
    assert blunt == pytest.approx(queries.log_likelihoods(means)[0], abs=1e-4)
    assert flat == pytest.approx(queries.log_likelihoods(level)[0], abs=1e-4)


def test_a_pixel_without_expected_photons_has_a_finite_likelihood():
    queries = observer.Queries(np.array([[1, 2]]), [1.0], np.array([1.0, 2.0]), JITTER)

    found = queries.log_likelihoods(np.array([[0.0, 3.0], [1.0, 2.0]]))

    assert np.isfinite(found).all()
    assert found[0, 0, 0] < found[0, 0, 1] - 10


def test_templates_unlike_the_reference_in_total_are_refused():
    queries = observer.Queries(np.array([[1, 2]]), [1.0], np.array([1.0, 2.0]), JITTER)

    with pytest.raises(ValueError, match=r"33 times the reference's, expected 0\.025"):
        queries.log_likelihoods(np.array([[0.0, 0.01], [50.0, 50.0]]))


def test_a_log_mean_taken_in_parts_is_that_of_the_whole():
    random = np.random.default_rng(2)
    values = random.normal(0, 300, (2, 3, 50))
    parts = observer.LogMean()

    parts.add(values[..., :7])
    parts.add(values[..., 7:8])
    parts.add(values[..., 8:])

    true = special.logsumexp(values, axis=-1) - np.log(50)
    assert parts.value == pytest.approx(true, abs=1e-9)


def test_a_log_mean_of_nothing_is_refused():
    with pytest.raises(ValueError, match="no logarithms"):
        _ = observer.LogMean().value


def test_two_poisson_rates_are_told_apart_as_well_as_the_closed_form_says():
    random = np.random.default_rng(3)
    dim, bright = np.array([[4.0]]), np.array([[8.0]])
    singles, multis = (random.poisson(rate, (4_000, 1)) for rate in (4.0, 8.0))
    both = np.concatenate((singles, multis))

    def evidence(template):
        queries = observer.Queries(both, np.ones(len(both)), np.array([6.0]), STEADY)
        return queries.log_likelihoods(template)[0, :, 0].astype(np.float64)

    ratio = evidence(dim) - evidence(bright)
    rule = observer.rule_accuracy(ratio[:4_000], ratio[4_000:])

    counts = np.arange(100)
    pmfs = stats.poisson.pmf(counts, 4.0), stats.poisson.pmf(counts, 8.0)
    ideal = np.maximum(*pmfs).sum() / 2
    assert rule == pytest.approx(ideal, abs=0.015)
    assert observer.accuracy_limit(ratio[:4_000]) == pytest.approx(ideal, abs=0.015)


def test_two_classes_of_the_same_distribution_are_guessed():
    random = np.random.default_rng(4)
    first, second, drawn = random.gamma(50.0, 0.02, (3, 600, 4))
    counts = random.poisson(drawn)
    ratio = log_evidence(counts, first, JITTER) - log_evidence(counts, second, JITTER)

    assert observer.rule_accuracy(ratio[:300], ratio[300:]) == pytest.approx(
        0.5, abs=0.08
    )
    assert observer.accuracy_limit(ratio) == pytest.approx(0.5, abs=0.01)


def test_unmistakable_classes_are_told_apart_always():
    templates = np.array([[50.0, 0.0], [0.0, 50.0]])
    singles, multis = np.array([[48, 0]]), np.array([[0, 55]])
    counts = np.concatenate((singles, multis))
    queries = observer.Queries(counts, np.ones(2), np.array([25.0, 25.0]), JITTER)

    (found,) = queries.log_likelihoods(templates).astype(np.float64)
    ratio = found[:, 0] - found[:, 1]

    assert observer.rule_accuracy(ratio[:1], ratio[1:]) == 1.0
    assert observer.accuracy_limit(ratio[:1]) == pytest.approx(1.0)


def test_the_ratio_learned_from_supports_is_that_of_bayes_rule():
    """Three samples of known chances for four shots; the posterior is enumerated."""
    chances = np.random.default_rng(2).dirichlet(np.ones(4), (2, 3))  # class, sample
    shots, classes = np.array([0, 3, 3]), np.array([0, 1, 1])

    posterior = np.ones(3)
    for shot, label in zip(shots, classes, strict=True):
        posterior *= chances[label, :, shot]
    posterior /= posterior.sum()
    single, multi = posterior @ chances[0], posterior @ chances[1]

    found = observer.learned_ratio(
        np.log(chances[classes, :, shots]).T, *np.log(chances[[0, 1]])
    )
    np.testing.assert_allclose(found, np.log(single / multi))


def test_a_sample_that_is_not_there_says_nothing():
    random = np.random.default_rng(3)
    supports, singles, multis = random.normal(size=(3, 4, 5))
    absent = supports.copy()
    absent[2] = -np.inf

    found = observer.learned_ratio(absent, singles, multis)

    others = [np.delete(each, 2, axis=0) for each in (supports, singles, multis)]
    np.testing.assert_allclose(found, observer.learned_ratio(*others))


def test_likelihoods_with_unlike_references_can_be_compared():
    random = np.random.default_rng(4)
    template = random.uniform(0.5, 2.0, 6)
    counts = random.poisson(template, (5, 6))

    found = []
    for reference in (np.ones(6), random.uniform(1.0, 3.0, 6)):
        queries = observer.Queries(counts, np.ones(5), reference, JITTER)
        relative = queries.log_likelihoods(template[None])[0, :, 0]
        found.append(relative + queries.of_reference)
    true = [np.log(brute_force(photons, template, JITTER)) for photons in counts]
    factorials = special.gammaln(counts + 1).sum(axis=1)

    np.testing.assert_allclose(found[0], true + factorials, atol=1e-3)
    np.testing.assert_allclose(found[1], found[0], atol=1e-3)
