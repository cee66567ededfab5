"""Source separation: exact where its model holds, never of the wrong sign."""

from __future__ import annotations

import numpy as np
import pytest

from qsmnode.engine import EngineInputError, Recipe, registry

PPM_HZ = 274.0


def separate(chi, r2star, mask=None, field_t=3.0, **parameters):
    chosen = registry.get("separation", "r2star_qsm")
    inside = np.ones(chi.shape, np.bool_) if mask is None else mask
    made = registry.make_parameters(chosen, parameters)
    return chosen.function(chi, r2star, inside, field_t, made)


def sources(shape=(5, 6, 7), seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.uniform(0, 0.2, shape).astype(np.float32),
        -rng.uniform(0, 0.1, shape).astype(np.float32),
    )


@pytest.mark.parametrize("field_t", [1.5, 3.0, 7.0])
@pytest.mark.parametrize("relaxivity", [137.0, PPM_HZ])
def test_mixtures_come_apart(field_t, relaxivity):
    positive, negative = sources()
    decay = (relaxivity * field_t / 3 * (positive - negative)).astype(np.float32)
    up, down, numbers = separate(positive + negative, decay, field_t=field_t, relaxivity=relaxivity)
    np.testing.assert_allclose(up, positive, atol=1e-6)
    np.testing.assert_allclose(down, negative, atol=1e-6)
    assert numbers["separation_one_sign_fraction"] == 0


def test_signs_hold_and_each_part_is_the_best_fit_of_that_sign():
    rng = np.random.default_rng(1)
    chi = rng.normal(0, 0.2, (6, 6, 6)).astype(np.float32)
    decay = rng.uniform(0, 60, chi.shape).astype(np.float32)
    up, down, numbers = separate(chi, decay)
    assert up.min() >= 0
    assert down.max() <= 0
    total = decay / PPM_HZ
    alone = np.abs(chi) >= total
    assert 0.2 < alone.mean() < 0.95
    assert numbers["separation_one_sign_fraction"] == pytest.approx(alone.mean())
    cost = (up + down - chi) ** 2 + (up - down - total) ** 2
    for step in (-1e-3, 1e-3):
        moved_up, moved_down = np.maximum(up + step, 0), np.minimum(down + step, 0)
        assert ((moved_up + down - chi) ** 2 + (moved_up - down - total) ** 2 >= cost - 1e-7).all()
        assert ((up + moved_down - chi) ** 2 + (up - moved_down - total) ** 2 >= cost - 1e-7).all()


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (5, 1, 7)])
def test_tiny_shapes_and_masks(shape):
    positive, negative = sources(shape)
    decay = PPM_HZ * (positive - negative)
    mask = np.zeros(shape, np.bool_)
    for half in (False, True):
        mask[0] = half
        up, down, numbers = separate(positive + negative, decay, mask)
        assert up.dtype == down.dtype == np.float32
        assert not up[~mask].any()
        assert not down[~mask].any()
        assert all(np.isfinite(v) for v in numbers.values())


def test_what_is_missing_is_said():
    chi = np.zeros((2, 2, 2), np.float32)
    with pytest.raises(EngineInputError, match=r"needs R2\*, got none; add the step r2star"):
        separate(chi, None)
    with pytest.raises(EngineInputError, match="needs the field in T"):
        separate(chi, chi, field_t=0.0)


def test_recipes_without_r2star_are_refused():
    with pytest.raises(EngineInputError, match=r"^recipe\.separation: needs the step r2star$"):
        Recipe.from_mapping({"separation": "r2star_qsm"})
    recipe = Recipe.from_mapping({"separation": "r2star_qsm", "r2star": "arlo"})
    assert list(recipe.steps)[-2:] == ["r2star", "separation"]
    assert Recipe.from_mapping(recipe.as_mapping()).hash == recipe.hash


def test_it_is_in_no_preset():
    for name in Recipe.presets():
        assert "separation" not in Recipe.preset(name).steps
