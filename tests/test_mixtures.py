"""Data mixtures (arXiv:2507.09404, arXiv:2407.01492): readers of their layouts, and laws over any number of domains."""

import pickle
import re
import shlex

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

import scaling
from scaling.cli import main
from scaling.errors import ArgumentError, DataError, FitError, LawError
from scaling.logs import formats
from scaling.logs.formats.shukor import DOMAINS
from scaling.planning import mix, own_shares, whole_shares
from scaling.procedures.independence import independence
from tests import layouts


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """All rows of a small file in the layout of dmsl_llm_slimpajama.csv."""
    return layouts.slimpajama(tmp_path_factory.mktemp("shukor") / "dmsl.csv")


@pytest.fixture(scope="module")
def mixtures(whole):
    return formats.slimpajama_mixtures(whole)


def rows_of(mixtures, target):
    return mixtures.assign(loss=mixtures[f"{target}_loss"]).dropna(subset="loss")


def error(fit):
    return 100 * np.abs(fit.law(*fit.design.inputs.values(), **fit.values) / fit.design.loss - 1).mean()


def test_the_tables_are_what_they_say(whole, mixtures, tmp_path):
    every = formats.slimpajama_mixtures(whole, paper_rows=False)
    assert len(every) == 4 * 20 * 4 and every.filter(like="_loss").isna().sum().sum() == 1
    np.testing.assert_allclose(every[[f"h_{d}" for d in DOMAINS]].sum(axis=1), 1, atol=1e-9)
    assert every.groupby("run").size().tolist() == [4] * 80  # one run per size and mixture
    # the paper leaves out 122M, and of every larger size the rows with few tokens
    least = {310e6: 3.9e9, 680e6: 7e9, 1235e6: 13e9}
    assert mixtures.groupby("N")["D"].min().to_dict() == {310e6: 6e9, 680e6: 14e9, 1235e6: 14e9}
    assert len(mixtures) == 20 * sum(sum(m <= D for D in (2e9, 6e9, 14e9, 30e9)) for m in least.values())
    folder = layouts.regmix(tmp_path / "data")
    train, test = (formats.regmix(folder, s) for s in ("train", "test"))
    assert (len(train), len(test)) == (120, 60)
    shares = train.filter(like="r_")
    assert list(shares) == ["r_arxiv", "r_github", "r_pile_cc"] and (shares == 0).mean().mean() > 0.1
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    assert np.abs(pd.read_csv(folder / "train_mixture_1m.csv").iloc[:, 1:].sum(axis=1) - 1).max() > 1e-4  # rounded
    with pytest.raises(DataError, match="is a folder"):
        formats.mt_scaling(folder)
    with pytest.raises(DataError, match="no such file"):
        formats.regmix(tmp_path, "train")
    losses = folder / "test_pile_loss_1m.csv"
    text = losses.read_text().splitlines()
    losses.write_text("\n".join([text[0], text[2], text[1], *text[3:]]))
    with pytest.raises(DataError, match="do not list the same runs in the same order"):
        formats.regmix(folder, "test")
    mixture = folder / "train_mixture_1m.csv"
    mixture.write_text(mixture.read_text().replace("\n3,", "\n3,1"))
    with pytest.raises(DataError, match="index 3: the shares sum to"):
        formats.regmix(folder)


@pytest.mark.parametrize("law", ["mixture_additive", "mixture_joint"])
def test_laws_of_mixtures_reach_the_noise(mixtures, law):
    fit = scaling.fit(rows_of(mixtures, "arxiv"), law)
    assert fit.law.conventions["domains"] == DOMAINS
    assert error(fit) <= 0.2  # 0.2 % of noise, whose mean size is 0.16 %


def test_own_share_hypothesis_fails_where_other_shares_matter(mixtures):
    rows = rows_of(mixtures, "arxiv")
    found = independence(rows, "arxiv", {d: f"h_{d}" for d in DOMAINS}, run="run")
    assert found.verdict == "coupled" and found.p_value < 0.01 and found.ratio > 3
    assert error(found.own) == pytest.approx(found.ratio * error(found.additive), rel=1e-9)


def test_exponential_law_ranks_mixtures_on_every_domain(tmp_path):
    folder = layouts.regmix(tmp_path / "data")
    train, test = (formats.regmix(folder, s) for s in ("train", "test"))
    for target, (c, *t) in layouts.TILT.items():
        fit = scaling.fit(train.assign(loss=train[f"{target}_loss"]), "mixture_exponential", objective="squares")
        assert fit.ok, fit
        np.testing.assert_allclose([fit.values[k] for k in fit.law.params], [c, *t], atol=5e-3)
        assert spearmanr(fit.predict(test)["prediction"], test[f"{target}_loss"]).statistic > 0.999, target


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
        whole_shares({})
    with pytest.raises(ArgumentError, match="level=95"):
        whole_shares({"x": fit}, level=95)


def test_a_domain_that_names_no_parameter_is_refused_and_the_remedy_works(tmp_path, capsys):
    """Once columns such as r_stack-exchange ended in a ValueError of inspect."""
    shares = np.random.default_rng(1).dirichlet([1, 1, 1], 40)
    loss = 1.8 + 0.6 * np.exp(shares @ [-1.2, -0.5, 0.3])
    rows = pd.DataFrame(shares, columns=["r_web", "r_stack-exchange", "r_100% code"]).assign(loss=loss)
    with pytest.raises(LawError, match=r"domain 'stack-exchange': .* to end in 'stack_exchange' \("):
        scaling.fit(rows, "mixture_exponential")
    path = tmp_path / "table.csv"
    rows.to_csv(path, index=False)
    asked = ["fit", str(path), "--law", "mixture_exponential", "--map", "r_stack_exchange=r_stack-exchange"]
    assert main(asked) == 2
    remedy = re.search(r"--map '[^']*'", " ".join(capsys.readouterr().err.split()))[0]
    assert main([*asked, *shlex.split(remedy)]) == 0
    assert "t_100__code" in capsys.readouterr().out


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
    found = whole_shares({"a": fit}, N=1e9, D=1e10)
    exact = most_help([fit.values[f"C_{d}"] for d in "abc"], [fit.values[f"gamma_{d}"] for d in "abc"])
    np.testing.assert_allclose(found.frame["share"], exact.p, atol=1e-5)
    assert found.residual < 1e-5 and found.worth_it and "only optimum" in str(found)
    capped = whole_shares({"a": fit}, N=1e9, D=1e10, caps={"a": 0.3}, floors=0.05)
    assert capped.frame.loc["a", "bound"] == "cap" and capped.frame["share"].sum() == pytest.approx(1)
    with pytest.raises(FitError, match="also take D and N"):
        whole_shares({"a": fit})
    with pytest.raises(FitError, match="own_shares"):
        whole_shares({"a": scaling.fit(fit.data, "chinchilla")}, N=1e9, D=1e10)
    with pytest.raises(FitError, match="or use scaling"):
        own_shares({"a": fit}, N=1e9, D=1e10)


def test_one_entry_takes_the_way_that_the_laws_declare():
    kind, rows = (scaling.laws["mixture_exponential"].using(domains="a/b"), pd.DataFrame({"r_a": np.linspace(0.1, 0.9, 30)}))
    rows["r_b"] = 1 - rows["r_a"]
    whole = scaling.fit(rows.assign(loss=kind(rows["r_a"], rows["r_b"], c=1.0, t_a=0.3, t_b=-0.2)), "mixture_exponential")
    pd.testing.assert_frame_equal(mix({"x": whole}).frame, whole_shares({"x": whole}).frame)
    law, sizes = scaling.laws["multilingual"], pd.DataFrame({"N": np.geomspace(1e7, 1e9, 24), "D": 1e10})
    sizes["p"] = np.tile([0.2, 0.4, 0.6, 0.8], 6)
    truth = {"E": 1.5, "A": 400.0, "B": 4000.0, "alpha": 0.35, "beta": 0.35, "gamma": 0.1}
    fits = {k: scaling.fit(sizes.assign(D=d, loss=law(sizes["N"], d, sizes["p"], **truth)), law) for k, d in
            (("de", sizes["D"] * np.tile([1, 3], 12)), ("fr", sizes["D"] * np.repeat([1, 4, 2], 8)))}  # fmt: skip
    run = {"N": 1e9, "D": 1e10, "floors": 0.05}
    pd.testing.assert_frame_equal(mix(fits, **run).frame, own_shares(fits, **run).frame)
    assert mix(fits, **run, objective="worst").objective == own_shares(fits, **run, objective="worst").objective
    with pytest.raises(ArgumentError, match="needs N= and D="):
        mix(fits)
    with pytest.raises(ArgumentError, match="'sum' is for families"):
        mix({"x": whole}, objective="sum")


def test_scalebench_tables(tmp_path):
    pytest.importorskip("pyarrow")
    folder = layouts.scalebench(tmp_path)
    file = lambda task: folder / f"{task}_scaling_law/train-00000-of-00001.parquet"
    rows = formats.scalebench_mixtures(file("domain_mixture"))
    assert len(rows) == 80 and rows.groupby("N").size().to_dict() == {70e6: 20, 160e6: 20, 305e6: 20, 410e6: 20}
    shares = rows.filter(regex=r"^r_")
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=0.03)  # two decimals each
    assert (shares == 0).any(axis=None)
    one = rows[rows["group"] == "410M"]
    assert list(one.filter(regex=r"_loss$")) == [f"{i}_loss" for i in range(1, 6)]
    near = one[np.abs(one.filter(regex=r"^r_").sum(axis=1) - 1) < 0.006]
    fit = scaling.fit(near.assign(loss=near["1_loss"]), "mixture_exponential", objective="squares")
    assert fit.law.conventions["domains"] == ("1", "2", "3", "4", "5") and error(fit) < 0.1
    farseer, grid = formats.scalebench(file("farseer")), formats.scalebench(file("lr_bsz"))
    assert list(farseer) == ["group", "N", "D", "loss"] and len(farseer) == 64
    assert list(grid) == ["group", "N", "D", "lr", "batch", "loss"] and grid["batch"].median() < 1e4  # sequences
    with pytest.raises(DataError, match="read by scalebench_mixtures"):
        formats.scalebench(file("domain_mixture"))


def test_tables_of_points_have_a_reader(tmp_path, points):
    figure = formats.chinchilla_figure(layouts.figure(tmp_path / "svg_extracted_data.csv", points))
    pd.testing.assert_frame_equal(figure[["N", "D", "loss"]], points, rtol=1e-12)
    np.testing.assert_allclose(figure["C"], 6 * figure["N"] * figure["D"], rtol=1e-12)
    path = layouts.isoflops(tmp_path / "isoflops.csv")
    raw, exp = formats.isoflops(path), formats.isoflops(path, "exp_loss")
    np.testing.assert_allclose(raw["C"], 6 * raw["N"] * raw["D"], rtol=1e-12)
    np.testing.assert_allclose(exp["loss"], np.exp(raw["loss"]), rtol=1e-12)
    with pytest.raises(DataError, match="no condition 'x'; it has raw_loss, exp_loss"):
        formats.isoflops(path, "x")


def shares_of(k, n=30, seed=0):
    """A table of k domains, of which the first helps most, and the loss."""
    shares = np.random.default_rng(seed).dirichlet(np.ones(k), n)
    loss = 2 + np.exp(shares @ np.linspace(-0.9, 0.6, k)) * np.exp(1e-3 * np.random.default_rng(seed + 1).standard_normal(n))
    names = [f"r_{name}" for name in ("web", "code", "books", "wiki", "math")[:k]]
    return pd.DataFrame(shares, columns=names).assign(loss=loss)


def sized(k, n=40, seed=0):
    """The same for laws that know size and tokens."""
    N, D = (10 ** np.random.default_rng(seed + 2).uniform(low, high, n) for low, high in ((7, 9), (9, 11)))
    table = shares_of(k, n, seed).rename(columns=lambda name: name.replace("r_", "h_")).assign(N=N, D=D)
    return table.assign(loss=table["loss"] - 0.5 + 406 / N**0.34 + 410 / D**0.28)


def test_a_share_beyond_those_fitted_is_told():
    table = shares_of(3)
    found = mix({"t": scaling.fit(table, "mixture_exponential")})
    assert found.shares["web"] > 0.99 and found.ok
    assert any(f"web: share 1.000 lies outside the shares it was fitted on ({table['r_web'].min():.3g} to" in said
               for said in found.notes)  # fmt: skip
    most = table["r_web"].max()
    inside = mix({"t": scaling.fit(table, "mixture_exponential")}, caps={"web": most}, floors={"books": table["r_books"].min()})
    assert not any("web" in said for said in inside.notes)


def test_a_mixture_from_a_fit_that_is_not_ok_is_not_ok():
    never = shares_of(3).assign(r_books=0.0)
    never[["r_web", "r_code"]] /= never[["r_web", "r_code"]].sum(axis=1).to_numpy()[:, None]
    fit = scaling.fit(never.assign(loss=2 + np.exp(never["r_code"])), "mixture_exponential")
    found = mix({"t": fit})
    assert not fit.ok and not found.ok and "NOT TRUSTWORTHY" in str(found)


def test_a_run_in_other_units_than_the_fits_is_told():
    fit = scaling.fit(sized(3), "mixture_additive")
    assert mix({"t": fit}, N=2e9, D=1e11).trusted
    found = mix({"t": fit}, N=2, D=100)
    assert not found.ok and any("this run 2: is it in the same units?" in said for said in found.notes)


def test_the_order_of_domains_is_nothing():
    table = shares_of(3)
    one, other = (scaling.fit(table[[*names, "loss"]], "mixture_exponential") for names in
                  (["r_web", "r_code", "r_books"], ["r_books", "r_web", "r_code"]))  # fmt: skip
    caps = {"web": 0.5, "code": 0.3}
    both, alone = mix({"a": one, "b": other}, caps=caps), mix({"a": one}, caps=caps)
    assert both.shares == pytest.approx(alone.shares, abs=1e-6)
    assert both.losses.loc["a", "loss"] == pytest.approx(both.losses.loc["b", "loss"], rel=1e-9)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"N": -1e9, "D": 1e11}, "N=-1000000000.0 must be a positive number"), ({"N": 0, "D": 1e11}, "N=0 must be"),
        ({"N": "1B", "D": 1e11}, "N='1B' must be"), ({"N": 1e9, "D": np.inf}, "D=inf must be"),
        ({"N": 1e9, "D": 1e11, "weights": {"t": -1}}, "t=-1 must be positive"),
        ({"N": 1e9, "D": 1e11, "weights": {"t": np.nan}}, "t=nan must be positive"),
        ({"N": 1e9, "D": 1e11, "weights": {"t": 0}}, "t=0 must be positive"),
        ({"N": 1e9, "D": 1e11, "floors": "a"}, "floors: web='a' must be a number"),
    ],
)  # fmt: skip
def test_what_no_mixture_can_be_of_is_refused(asked, said):
    with pytest.raises(ArgumentError, match=said):
        mix({"t": scaling.fit(sized(3), "mixture_additive")}, **asked)


@pytest.mark.parametrize("fits", [[1], {"t": "fit.json"}, scaling.laws["chinchilla"]])
def test_fits_are_given_by_name(fits):
    with pytest.raises(ArgumentError, match="fits by the name"):
        mix(fits)


def test_shares_in_per_cent_or_under_other_names_are_refused_with_the_remedy():
    table = shares_of(3)
    with pytest.raises(DataError, match="per cent"):
        scaling.fit(table.assign(**{name: 100 * table[name] for name in table if name != "loss"}), "mixture_exponential")
    with pytest.raises(DataError, match=r"r_DOMAIN.*web, code, books, loss.*Rename"):
        scaling.fit(table.rename(columns=lambda name: name.removeprefix("r_")), "mixture_exponential")
