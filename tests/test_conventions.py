"""Counts of parameters and FLOP by convention."""

import numpy as np
import pytest

from scaling import conventions
from scaling.conventions import Shape
from scaling.errors import DataError
from scaling.training import counts

SMALL = Shape(d_model=768, n_layer=12, vocab=50432, context=2048, n_head=12)


def test_parameters():
    assert conventions.parameters(SMALL, "non_embedding") == 12 * 12 * 768**2
    assert conventions.parameters(SMALL, "active_with_head") == 12 * 12 * 768**2 + 50432 * 768
    assert conventions.parameters(SMALL, "total") == 12 * 12 * 768**2 + (2048 + 2 * 50432) * 768
    gated = Shape(d_model=512, n_layer=8, d_ff=1536, gated=True)
    assert conventions.parameters(gated, "non_embedding") == 8 * (4 * 512**2 + 3 * 512 * 1536)  # L (4 h^2 + 3 h ffn)


@pytest.mark.parametrize(
    ("d", "layers", "size"), [(256, 3, 2.4e6), (512, 8, 25.2e6), (768, 12, 85e6), (2048, 24, 1.2e9)]
)
def test_published_ladder(d, layers, size):
    assert conventions.parameters(Shape(d, layers), "non_embedding") == pytest.approx(size, rel=0.02)


def test_flops():
    """Kaplan 6 N + 6 L s d; DeepSeek 72 L d^2 + 12 L d s; Hoffmann as the trainer counts it."""
    d, L, s = 768, 12, 2048
    assert conventions.flops_per_token(SMALL, "kaplan") == 72 * L * d * d + 6 * L * s * d
    assert conventions.flops_per_token(SMALL, "deepseek") == 72 * L * d * d + 12 * L * s * d
    same = counts.flops_per_token(
        type("Trained", (), {"d_model": d, "n_layer": L, "vocab": 50432, "context": s, "n_head": 12, "n_encoder": 0}),
        "chinchilla",
    )
    assert conventions.flops_per_token(SMALL, "hoffmann") == same
    ratio = {
        k: conventions.flops_per_token(SMALL, k) / conventions.flops_per_token(SMALL, "deepseek")
        for k in conventions.FLOPS
    }
    assert 0.43 < ratio["6ND_non_embedding"] < 1 < ratio["6ND"] < 1.4


def test_compute_does_not_overflow():
    assert conventions.compute(6_889_410_560, np.array([137_788_211_200]))[0] == pytest.approx(5.696e21, rel=1e-3)


def test_conversion_is_checked():
    N = conventions.parameters(SMALL, "total")
    assert conventions.convert_parameters(N, SMALL, given="total", wanted="non_embedding") == 12 * 12 * 768**2
    assert conventions.convert_parameters(5.0, None, given="total", wanted="total") == 5.0
    with pytest.raises(DataError, match="Give the shape"):
        conventions.convert_parameters(1e8, None, given="total", wanted="non_embedding")
    with pytest.raises(DataError, match="does not count total"):
        conventions.convert_parameters(85e6, SMALL, given="total", wanted="non_embedding")
    with pytest.raises(DataError, match="there are"):
        conventions.parameters(SMALL, "all")
    with pytest.raises(DataError, match="set vocab="):
        conventions.parameters(Shape(768, 12), "total")
