"""Data mixtures: golden numbers on public runs (arXiv:2507.09404, arXiv:2407.01492) and laws over any number of domains."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import scaling
from scaling.errors import ArgumentError, DataError, FitError, LawError
from scaling.logs import formats
from scaling.logs.formats.shukor import DOMAINS
from scaling.planning import own_shares, search
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


@pytest.fixture(scope="module")
def mixtures(shared_data):
    return formats.slimpajama_mixtures(shared_data / "data-mixtures/dmsl_llm_slimpajama.csv")


def rows_of(mixtures, target):
    return mixtures.assign(loss=mixtures[f"{target}_loss"]).dropna(subset="loss")


def error(fit):
    return 100 * np.abs(fit.law(*fit.design.inputs.values(), **fit.values) / fit.design.loss - 1).mean()


def test_the_tables_are_what_they_say(mixtures, shared_data):
    assert len(mixtures) == 1534
    whole = formats.slimpajama_mixtures(shared_data / "data-mixtures/dmsl_llm_slimpajama.csv", paper_rows=False)
    assert len(whole) == 2408 and whole.filter(like="_loss").isna().sum().sum() == 16
    np.testing.assert_allclose(whole[[f"h_{d}" for d in DOMAINS]].sum(axis=1), 1, atol=1e-9)
    train, test = (formats.regmix(shared_data / "regmix/data", s) for s in ("train", "test"))
    assert (len(train), len(test)) == (512, 256)
    shares = train.filter(like="r_")
    assert shares.shape[1] == 17 and (shares == 0).mean().mean() == pytest.approx(0.45, abs=0.01)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    with pytest.raises(DataError, match="is a folder"):
        formats.mt_scaling(shared_data / "mt-scaling")
    with pytest.raises(DataError, match="no such file"):
        formats.regmix(shared_data, "train")


def mostly_slow(*quick):
    return [pytest.param(d, marks=[] if d in quick else pytest.mark.slow) for d in DOMAINS]


@pytest.mark.parametrize("target", mostly_slow("github", "wikipedia"))
def test_additive_law_on_every_domain(mixtures, target):
    fit = scaling.fit(rows_of(mixtures, target), "mixture_additive")
    assert fit.law.conventions["domains"] == DOMAINS
    assert error(fit) <= SHUKOR[target][0] + 0.03


@pytest.mark.parametrize("target", mostly_slow("github"))
def test_joint_law_on_every_domain(mixtures, target):
    assert error(scaling.fit(rows_of(mixtures, target), "mixture_joint")) <= SHUKOR[target][1] + 0.03


def test_own_share_hypothesis_fails_on_common_crawl(mixtures):
    rows = rows_of(mixtures, "commoncrawl")
    found = independence(rows, "commoncrawl", {d: f"h_{d}" for d in DOMAINS}, run="run")
    assert found.verdict == "coupled" and found.p_value < 1e-6 and found.ratio > 3
    assert error(found.own) == pytest.approx(SHUKOR["commoncrawl"][2], abs=0.01)


def test_exponential_law_ranks_mixtures_on_every_domain(shared_data):
    train, test = (formats.regmix(shared_data / "regmix/data", s) for s in ("train", "test"))
    for target, expected in REGMIX.items():
        fit = scaling.fit(train.assign(loss=train[f"{target}_loss"]), "mixture_exponential", objective="squares")
        assert fit.ok, fit
        found = 100 * spearmanr(fit.predict(test)["prediction"], test[f"{target}_loss"]).statistic
        assert found >= expected - 0.5, target


def test_a_law_is_written_out_for_any_domains():
    law = scaling.laws["mixture_additive"].using(domains="web/code")
    assert law.inputs == ("N", "D", "h_web", "h_code")
    assert list(law.params)[-4:] == ["C_web", "C_code", "gamma_web", "gamma_code"]
    assert pickle.loads(pickle.dumps(law)).params == law.params
    values = {
        "E": 1.0,
        "A": 2.0,
        "B": 3.0,
        "alpha": 0.5,
        "beta": 0.5,
        "C_web": 1.0,
        "C_code": 2.0,
        "gamma_web": 1.0,
        "gamma_code": 1.0,
    }
    assert law(4.0, 9.0, 0.5, 0.25, **values) == pytest.approx(1 + 1 / (0.5 + 0.5) + 1 + 1)
    assert law(4.0, 9.0, 0.0, 1.0, **values) == pytest.approx(1 + 0.5 + 1 + 1)
    with pytest.raises(LawError, match="different names"):
        law.using(domains="web/web")


def test_shares_that_do_not_sum_to_one_are_refused():
    law = scaling.laws["mixture_exponential"].using(domains="a/b")
    rows = pd.DataFrame({"r_a": np.linspace(0.1, 0.8, 20)}).assign(r_b=lambda r: 1 - r["r_a"])
    rows["loss"] = law(rows["r_a"], rows["r_b"], c=1.0, t_a=0.3, t_b=-0.2)
    rounded = rows.assign(r_b=rows["r_b"] + 0.004)
    fit = scaling.fit(rounded, "mixture_exponential")
    with pytest.raises(DataError, match=r"row \d+: the shares r_a, r_b sum to 1.1, not 1 \(20 such rows\)"):
        scaling.fit(rows.assign(r_b=rows["r_b"] + 0.1), "mixture_exponential")
    with pytest.raises(DataError, match=r"sum to 0\.7"):
        fit.predict(pd.DataFrame({"r_a": [0.3], "r_b": [0.4]}))
    with pytest.raises(FitError, match="at least one"):
        search({})
    with pytest.raises(ArgumentError, match="level=95"):
        search({"x": fit}, level=95)


def test_a_fit_over_domains_survives_saving(tmp_path):
    rng = np.random.default_rng(0)
    law = scaling.laws["mixture_exponential"].using(domains="a/b/c/d")
    rows = pd.DataFrame(law.hooks.sample(rng, 60))
    truth = {"c": 1.5, "t_a": -1.0, "t_b": 0.3, "t_c": 0.8, "t_d": 0.5}
    fit = scaling.fit(rows.assign(loss=law(*rows.to_numpy().T, **truth)), "mixture_exponential")
    assert fit.values == pytest.approx(truth, rel=1e-6)
    fit.save(tmp_path / "fit.json")
    again = scaling.load(tmp_path / "fit.json")
    assert again.values == fit.values and again.law.inputs == fit.law.inputs
    pd.testing.assert_frame_equal(again.predict(rows), fit.predict(rows))
    with pytest.raises(DataError, match="0 <= r_a <= 1"):
        fit.predict(rows.assign(r_a=-0.1))


def simulated(truth, domains, rng, noise=0.0):
    law = scaling.laws["mixture_additive"].using(domains=domains)
    rows = pd.DataFrame(law.hooks.sample(rng, 150))
    loss = law(*rows.to_numpy().T, **truth) * np.exp(noise * rng.normal(size=len(rows)))
    return scaling.fit(rows.assign(loss=loss), "mixture_additive")


def test_best_mixture_for_one_target_is_the_exact_one():
    from scaling.planning.shares import most_help

    base = {"E": 1.0, "A": 300.0, "B": 3000.0, "alpha": 0.35, "beta": 0.4}
    C, gamma = [2.0, 1.0, 0.5], [0.4, 0.6, 0.3]
    truth = {
        **base,
        **{f"C_{d}": c for d, c in zip("abc", C, strict=True)},
        **{f"gamma_{d}": g for d, g in zip("abc", gamma, strict=True)},
    }
    fit = simulated(truth, "a/b/c", np.random.default_rng(1), noise=1e-4)
    found = search({"a": fit}, N=1e9, D=1e10)
    exact = most_help([fit.values[f"C_{d}"] for d in "abc"], [fit.values[f"gamma_{d}"] for d in "abc"])
    np.testing.assert_allclose(found.frame["share"], exact.p, atol=1e-5)
    assert found.residual < 1e-5 and found.worth_it and "only optimum" in str(found)
    capped = search({"a": fit}, N=1e9, D=1e10, caps={"a": 0.3}, floors=0.05)
    assert capped.frame.loc["a", "bound"] == "cap" and capped.frame["share"].sum() == pytest.approx(1)
    with pytest.raises(FitError, match="also take D and N"):
        search({"a": fit})
    with pytest.raises(FitError, match="own_shares"):
        search({"a": scaling.fit(fit.data, "chinchilla")}, N=1e9, D=1e10)
    with pytest.raises(FitError, match="or use scaling"):
        own_shares({"a": fit}, N=1e9, D=1e10)


def test_scalebench_mixtures(shared_data):
    pytest.importorskip("pyarrow")
    (path,) = (shared_data / "scalebench/domain_mixture_scaling_law").glob("train-*.parquet")
    rows = formats.scalebench_mixtures(path)
    assert len(rows) == 80 and rows.groupby("N").size().tolist() == [20] * 4
    shares = rows.filter(regex=r"^r_")
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=0.005)
    assert ((shares == 0).sum() > 0).all()
    one = rows[rows["group"] == "410M"]
    fit = scaling.fit(one.assign(loss=one["1_loss"]), "mixture_exponential", objective="squares")
    assert fit.law.conventions["domains"] == ("1", "2", "3", "4", "5") and error(fit) < 2


def test_every_other_public_table_has_a_reader(shared_data):
    figure = formats.chinchilla_figure(shared_data / "analyzing-chinchilla/data/svg_extracted_data.csv")
    assert len(figure) == 245 and figure["loss"].max() == pytest.approx(5.0056, abs=1e-3)
    llama = formats.isoflops(shared_data / "isoflops/llama_3/isoflops.csv")
    np.testing.assert_allclose(llama["C"], 6 * llama["N"] * llama["D"], rtol=1e-12)
    with pytest.raises(DataError, match="no condition 'x'; it has raw_loss, exp_loss"):
        formats.isoflops(shared_data / "isoflops/llama_3/isoflops.csv", "x")
    batches = formats.critical_batch(shared_data / "critical-batch-size/steps_to_target.csv")
    assert batches["N"].nunique() == 5 and batches["steps"].iloc[0] == 46000
    pytest.importorskip("pyarrow")
    for task, rows in {"farseer": 404, "data_constrained": 161, "lr_bsz": 2702, "moe": 193, "parallel": 36,
                       "sparsity": 70, "vocab": 1080}.items():  # fmt: skip
        (path,) = (shared_data / f"scalebench/{task}_scaling_law").glob("train-*.parquet")
        assert len(formats.scalebench(path)) == rows
    with pytest.raises(DataError, match="read by scalebench_mixtures"):
        formats.scalebench(next((shared_data / "scalebench/domain_mixture_scaling_law").glob("train-*.parquet")))
