"""The mixture runs of arXiv:2507.09404: every law on every domain (most of them slow)."""

import numpy as np
import pytest

import scaling
from scaling.logs import formats
from scaling.logs.formats.shukor import DOMAINS
from scaling.procedures.independence import independence

# train error in percent: (refit additive, refit joint, own share), spec 6.1
SHUKOR = {
    "arxiv": (0.47, 0.38, 0.79),
    "book": (0.27, 0.23, 1.03),
    "c4": (0.27, 0.23, 1.20),
    "github": (0.63, 0.54, 2.22),
    "commoncrawl": (0.28, 0.23, 1.44),
    "stackexchange": (0.49, 0.37, 1.15),
    "wikipedia": (0.87, 0.60, 0.85),
}
QUICK = {"mixture_additive": ("github", "wikipedia"), "mixture_joint": ("github",)}


def rows_of(mixtures, target):
    return mixtures.assign(loss=mixtures[f"{target}_loss"]).dropna(subset="loss")


def error(fit):
    return 100 * np.abs(fit.law(*fit.design.inputs.values(), **fit.values) / fit.design.loss - 1).mean()


def check_law(mixtures, law, target):
    fit = scaling.fit(rows_of(mixtures, target), law)
    assert fit.law.conventions["domains"] == DOMAINS
    assert error(fit) <= SHUKOR[target][list(QUICK).index(law)] + 0.03


def test_mixtures_of_slimpajama(shared_data, subtests):
    path = shared_data / "data-mixtures/dmsl_llm_slimpajama.csv"
    mixtures = formats.slimpajama_mixtures(path)
    with subtests.test("the table is what it says"):
        assert len(mixtures) == 1534
        whole = formats.slimpajama_mixtures(path, paper_rows=False)
        assert len(whole) == 2408 and whole.filter(like="_loss").isna().sum().sum() == 16
        np.testing.assert_allclose(whole[[f"h_{d}" for d in DOMAINS]].sum(axis=1), 1, atol=1e-9)
    for law, targets in QUICK.items():
        for target in targets:
            with subtests.test(law=law, target=target):
                check_law(mixtures, law, target)
    with subtests.test("own-share hypothesis fails on common crawl"):
        rows = rows_of(mixtures, "commoncrawl")
        found = independence(rows, "commoncrawl", {d: f"h_{d}" for d in DOMAINS}, run="run")
        assert found.verdict == "coupled" and found.p_value < 1e-6 and found.ratio > 3
        assert error(found.own) == pytest.approx(SHUKOR["commoncrawl"][2], abs=0.01)


@pytest.mark.slow
@pytest.mark.parametrize(("law", "target"), [(law, d) for law, quick in QUICK.items() for d in DOMAINS if d not in quick])
def test_other_domains(shared_data, law, target):
    check_law(formats.slimpajama_mixtures(shared_data / "data-mixtures/dmsl_llm_slimpajama.csv"), law, target)
