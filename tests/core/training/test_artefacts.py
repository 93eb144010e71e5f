import pytest
import torch

from specklenn.core.training import artefacts
from specklenn.core.training.artefacts import electronics, stray_light

NUMBER, SIDE, SCENES = 5, 32, 400


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def glows():
    generator = seeded()
    return torch.stack([stray_light(NUMBER, SIDE, generator) for _ in range(SCENES)])


def only(monkeypatch, wanted):
    for name in ("ROW_CHANCE", "HOT_CHANCE", "GAIN_CHANCE"):
        monkeypatch.setattr(artefacts, name, float(name == wanted))


def dark_scenes():
    generator = seeded(1)
    dark = torch.zeros(NUMBER, SIDE, SIDE)
    return torch.stack([electronics(dark, generator) for _ in range(SCENES)])


def test_a_quarter_of_the_scenes_has_stray_light(glows):
    share = (glows.amax(dim=(1, 2, 3)) > 0).float().mean()

    assert float(share) == pytest.approx(artefacts.STRAY_CHANCE, abs=0.07)


def test_stray_light_is_symmetric_about_the_beam_and_falls_off(glows):
    lit = glows[glows.amax(dim=(1, 2, 3)) > 0].flatten(0, 1)
    inner = lit[:, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4].mean(dim=(1, 2))

    torch.testing.assert_close(lit, lit.flip(1, 2))
    assert float(glows.min()) >= 0
    assert bool((inner > 1.5 * lit.mean(dim=(1, 2))).all())


def test_stray_light_of_a_scene_has_one_shape(glows):
    lit = glows[glows.amax(dim=(1, 2, 3)) > 0]
    shapes = lit / lit.sum(dim=(2, 3), keepdim=True)

    assert float((shapes - shapes[:, :1]).abs().max()) < 1e-5


def test_rows_or_columns_are_off_together(monkeypatch):
    only(monkeypatch, "ROW_CHANCE")
    scenes = dark_scenes()
    by_row = scenes.std(dim=3).amax(dim=(1, 2)) == 0
    by_column = scenes.std(dim=2).amax(dim=(1, 2)) == 0

    assert bool((by_row ^ by_column).all())
    assert 0.4 < float(by_row.float().mean()) < 0.6


def test_hot_pixels_stay_where_they_are_in_a_scene(monkeypatch):
    only(monkeypatch, "HOT_CHANCE")
    hot = dark_scenes() > 0
    number = hot[:, 0].sum(dim=(1, 2))

    assert torch.equal(hot.all(dim=1), hot.any(dim=1))
    assert int(number.min()) == 1
    assert int(number.max()) == artefacts.MOST_HOT_PIXELS


def test_artefacts_of_the_electronics_are_the_exception():
    untouched = (dark_scenes() == 0).flatten(1).all(dim=1).float().mean()

    expected = (1 - artefacts.ROW_CHANCE) * (1 - artefacts.HOT_CHANCE)
    assert float(untouched) == pytest.approx(expected, abs=0.08)


def test_an_unknown_gain_scales_a_whole_scene():
    generator = seeded(2)
    bright = torch.full((NUMBER, SIDE, SIDE), 1e5)
    factors = torch.stack(
        [electronics(bright, generator).median() / 1e5 for _ in range(SCENES)]
    )
    scaled = (factors - 1).abs() > 1e-3

    assert float(scaled.float().mean()) == pytest.approx(
        artefacts.GAIN_CHANCE, abs=0.06
    )
    assert 10**-0.5 <= float(factors.min()) < 0.9
    assert 3 < float(factors.max()) <= 10.001
