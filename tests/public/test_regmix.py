"""RegMix (arXiv:2407.01492): mixtures of the Pile ranked by the exponential law."""

import numpy as np
import pytest
from scipy.stats import spearmanr

import scaling
from scaling.errors import DataError
from scaling.logs import formats

# Spearman x 100 of c + exp(t r), spec 6.3
REGMIX = {
    "arxiv": 98.72,
    "freelaw": 98.56,
    "pubmed_central": 97.31,
    "wikipedia_en": 96.87,
    "dm_mathematics": 96.11,
    "github": 98.69,
    "stackexchange": 98.38,
    "gutenberg_pg_19": 97.94,
    "pile_cc": 96.58,
    "ubuntu_irc": 96.59,
    "hackernews": 95.92,
    "pubmed_abstracts": 99.11,
    "uspto_backgrounds": 97.85,
}


def test_mixtures_of_regmix(shared_data, subtests):
    train, test = (formats.regmix(shared_data / "regmix/data", s) for s in ("train", "test"))
    with subtests.test("the tables are what they say"):
        assert (len(train), len(test)) == (512, 256)
        shares = train.filter(like="r_")
        assert shares.shape[1] == 17 and (shares == 0).mean().mean() == pytest.approx(0.45, abs=0.01)
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
        with pytest.raises(DataError, match="no such file"):
            formats.regmix(shared_data, "train")
    for target, expected in REGMIX.items():
        with subtests.test("exponential law ranks mixtures", target=target):
            fit = scaling.fit(train.assign(loss=train[f"{target}_loss"]), "mixture_exponential", objective="squares")
            assert fit.ok, fit
            found = 100 * spearmanr(fit.predict(test)["prediction"], test[f"{target}_loss"]).statistic
            assert found >= expected - 0.5, target
