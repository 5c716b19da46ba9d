"""Golden numbers that need no data: (paper, what, published, ours, relative tolerance)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.optimize import brentq

import scaling
from scaling.papers.henighan2020 import OPTIMAL_SIZE
from scaling.procedures import batch, consistency, information, sensitivity
from scaling.synthetic import RandomFeatures

Row = tuple[str, str, float, float, float]
IMAGES = {  # tokens per image, denominator and irreducible loss per image (arXiv:2010.14701, table 3)
    "image8": (192, 1.9e4, 602),
    "image16": (768, 1.7e10, 2026),
    "image32": (3072, 2.7e26, 6806),
    "image_vq16": (256, 4.7e15, 1047),
    "image_vq32": (1024, 3.1e19, 3246),
}
TOY = (
    (6.601, (3.009, 2.459, 2.172, 2.022, 2.129, 2.444, 2.731), 0.4017),
    (6.599, (3.005, 2.451, 2.176, 2.026, 2.011, 2.121, 2.163), 0.2680),
    (5.845, (2.486, 2.153, 1.925, 1.83, 2.117, 2.526, 2.844), 0.4387),
    (5.856, (2.493, 2.203, 1.933, 1.791, 1.831, 2.022, 2.089), 0.2607),
)


def numbers() -> Iterator[Row]:
    laws = scaling.laws
    for preset, N, D in (("hoffmann2022_rounded", 32.2e9, 2.98e12), ("besiroglu2024", 72.3e9, 1.33e12)):
        row = scaling.plan(f"chinchilla/{preset}", 5.76e23).iloc[0]
        yield "Hoffmann, Besiroglu", f"N* at 5.76e23, {preset}", N, row["N"], 2e-3
        yield "Hoffmann, Besiroglu", f"D* at 5.76e23, {preset}", D, row["D"], 3e-3
    for preset, now, later in (
        ("hoffmann2022_rounded", 92.83, 152.6),
        ("hoffmann2022", 59.04, 92.27),
        ("besiroglu2024", 18.33, 16.10),
    ):
        rows = scaling.plan(f"chinchilla/{preset}", [5.88e23, 1e26])
        yield "Besiroglu", f"D/N at 5.88e23, {preset}", now, rows["tokens_per_param"][0], 2e-4
        yield "Besiroglu", f"D/N at 1e26, {preset}", later, rows["tokens_per_param"][1], 5e-4
    repeated = laws["data_constrained"].published["muennighoff2023"]
    yield "Muennighoff", "L(6.34e9, 242e9, 25e9)", 2.2256440889984477, repeated(6.34e9, 242e9, 25e9), 1e-14
    yield "Muennighoff", "L(8.67e9, 178e9, 25e9)", 2.2269634075087867, repeated(8.67e9, 178e9, 25e9), 1e-14
    row = scaling.plan("data_constrained/muennighoff2023", 1e22, unique=25e9).iloc[0]
    yield "Muennighoff", "N* at 1e22, 25e9 unique", 7.02e9, row["N"], 0.01
    yield "Muennighoff", "epochs at 1e22, 25e9 unique", 9.49, row["epochs"], 0.01
    farseer = laws["farseer"].published["li2025"]
    for N, D, loss in ((1e9, 1e11, 0.505032), (2e8, 1e10, 0.604209), (6e9, 1e11, 0.462267)):
        yield "Farseer", f"L({N:.0e}, {D:.0e})", loss, farseer(N, D), 2e-6
    yield "Step Law", "lr at 4e8, 2e10", 1.91426e-3, laws["lr_batch"].published["li2025"](4e8, 2e10), 1e-4
    yield "Step Law", "batch at 2e10", 4.41892e5, laws["batch_size"].published["li2025"](2e10), 1e-4
    yield "DeepSeek", "lr at 1e20", 9.85998e-4, laws["lr_compute"].published["deepseek2024"](1e20), 1e-4
    yield "DeepSeek", "batch at 1e20", 1.017145e6, laws["batch_size"].published["deepseek2024"](1e20), 1e-4
    best = {k: laws["allocation"].published[f"deepseek2024_{k}"](1e20) for k in "MD"}
    yield "DeepSeek", "M_opt at 1e20", 5.25127e9, best["M"], 1e-4
    yield "DeepSeek", "D_opt at 1e20", 1.904530e10, best["D"], 1e-4
    yield "DeepSeek", "M_opt D_opt / C at 1e20", 1.00012, best["M"] * best["D"] / 1e20, 1e-5
    yield "Kaplan", "B_crit at L = 3", 1.069e6, laws["critical_batch"].published["kaplan2020"](3.0), 5e-4
    for N, D, bits, share in ((86e6, 2.3e9, 4, 0.184), (86e6, 1.4e12, 4, 0.523), (7e9, 15e12, 4, 0.447)):
        yield ("QAT", f"best fraction at {N:g}, {D:g}", share, laws["qat_fraction"].published["dremov2025"](N, D, bits), 3e-3)
    u = brentq(lambda u: 3 * u * np.exp(-u) - 1 + np.exp(-u), 1, 3, xtol=1e-14)
    yield "Precision", "u* of the best common precision", 1.9038137, u, 1e-7
    yield "Precision", "P*(gamma_w)", 5.09, u * laws["precision"].published["kumar2024"]["gamma_w"], 1e-3
    found = batch.noise_scale((32, 3.0), (256, 1.5))
    yield "McCandlish", "B_simple of two batches", 42.666667, found["B_simple"], 1e-7
    for initial, losses, value in TOY:
        ours = sensitivity.lr_sensitivity(sensitivity.RATES, losses, initial)["sensitivity"]
        yield "Wortsman", f"sensitivity from {initial}", value, ours, 3e-4
    yield from _henighan()
    small = RandomFeatures(1.5, 1.3, 0.0, 1000)
    yield "More is Better", "error, n=64, k=128", 1.66015471, float(small.loss(64, 128, 0.01)), 1e-6
    yield "More is Better", "error, kernel", 0.96701608, float(small.loss(64, np.inf, 0.01)), 1e-6
    yield "More is Better", "gamma, n=64, k=128", 6.20779502e-3, small.gamma(64, 128, 0.01), 1e-6
    noisy = RandomFeatures(1.5, 1.3, 0.1, 1000)
    yield "More is Better", "error, noise 0.1", 1.89582625, float(noisy.loss(64, 128, 0.01)), 1e-6


def _henighan() -> Iterator[Row]:
    for name, (tokens, denominator, entropy) in IMAGES.items():
        image = information.per_sequence(scaling.laws["power_law_offset"].published[f"henighan2020_{name}_C"], tokens)
        yield "Henighan", f"C0 per image, {name}", denominator, image["x0"], 0.03
        yield "Henighan", f"L_inf per image, {name}", entropy, image["E"], 3e-3
    ratios = {"language": 0.94, "image8": 1.24, "video": 0.82, "math": 1.54}
    for name, ratio in ratios.items():
        of_N, of_C = (scaling.laws["power_law_offset"].published[f"henighan2020_{name}_{x}"] for x in "NC")
        ours = of_C["alpha"] / (of_N["alpha"] * OPTIMAL_SIZE[name][1])
        yield "Henighan", f"alpha_C / (alpha_N beta), {name}", ratio, ours, 6e-3
    laws = scaling.laws["power_law"].published
    of_images = scaling.laws["power_law_offset"].published["henighan2020_image16_C"]
    lines = consistency.consistency_point(of_images, of_images, (2.8e8, 0.74))  # C(D) follows from N_opt alone
    yield "Henighan", "C(D): exponent", 3.846, lines.power, 1e-3
    yield "Henighan", "C(D): factor", 6.35e-42, lines.factor, 1e-2
    found = consistency.consistency_point(laws["kaplan2020_Cmin"], laws["kaplan2020_D"], (1.3e9, 0.73), overhead=2)
    yield "Kaplan", "loss where L(C) meets L(D), as remembered", 1.7, found.loss, 0.05
    gain = scaling.laws["information"].published["henighan2020_gain"]
    yield "Henighan", "information gain at 3e12", 0.2, scaling.laws["information"](3e12, **gain), 1e-12
