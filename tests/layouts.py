"""Small files in the layouts of the public data sets, written by code with numbers of our own.

Each writer has the peculiarities that its reader is there for (where the first step lies, what stands in a file's name, empty
cells, rounding), and makes its numbers from a law, so that a test knows what must come back.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

import scaling
from scaling.design.inputs import design
from scaling.logs.formats.bhagia import MMLU
from scaling.logs.formats.gadre import SUBSET
from scaling.logs.formats.shukor import DOMAINS
from scaling.schedules import schedule

REPLAY = {  # the schedules behind the names of the public curves
    "constant_24000": "constant:steps=24k",
    "constant_72000": "constant:steps=72k",
    "cosine_24000": "cosine:steps=24k,final=0.1",
    "cosine_72000": "cosine:steps=72k,final=0.1",
    "wsd_20000_24000": "wsd:steps=24k,decay=4k,shape=exponential,final=0.1",
    "wsdld_20000_24000": "wsd:steps=24k,decay=4k,shape=linear,final=0.1",
    "wsdcon_3": "two_stage:steps=16k,switch=8000,then=3e-5",
    "wsdcon_9": "two_stage:steps=16k,switch=8000,then=9e-5",
    "wsdcon_18": "two_stage:steps=16k,switch=8000,then=1.8e-4",
}


def replay(name: str):
    """The schedule of a public curve: peak 3e-4, 2160 updates of warm-up, steps counted from 0."""
    return schedule(REPLAY[name], first=0, peak=3e-4, warmup=2160, warmup_form="linspace")


def logged(name: str) -> np.ndarray:
    """Steps of its rows: every 128 from just after the warm-up on; of two-stage runs also the step of the switch."""
    start = 2160 if name.startswith("cosine") else 2176
    if name.startswith("wsdcon"):
        return np.r_[np.arange(start, 8000, 128), np.arange(8000, 16000, 128)]
    step = np.arange(start, replay(name).steps, 128)
    # runs that decay from 20000 on have a gap there
    return np.r_[step[step < 19900], np.arange(20064, 24000, 128)] if name.endswith("20000_24000") else step


def multi_power(folder: Path) -> Path:
    """csv_<size>/<name>.csv: step, lr, loss from the end of the warm-up on, 4 decimals; the size stands in the folder alone."""
    law = scaling.laws["multi_power"]
    for size in (25, 100):
        constants = law.published[f"luo2025_{size}M"]
        used = law.using(**constants.conventions)
        (folder / f"csv_{size}").mkdir(parents=True)
        for k, name in enumerate(REPLAY):
            plan = replay(name)
            step = logged(name)
            loss = used(*design(plan, used, fitting=False, steps=step).inputs.values(), **constants)
            loss = loss + 0.002 * np.random.default_rng(k).normal(size=len(step))
            lines = [f"{s},{float(r)!r},{y:.4f}" for s, r, y in zip(step, plan.rates[step], loss, strict=True)]
            (folder / f"csv_{size}/{name}.csv").write_text("step,lr,loss\n" + "\n".join(lines) + "\n")
    return folder


SIZES = {"190M": 190_354_176, "370M": 371_262_464, "760M": 758_220_288, "1B": 1_279_395_840}  # without embeddings
LADDER = {"E": 1.1, "A": 40.0, "B": 90.0, "alpha": 0.2, "beta": 0.21}  # of the loss on c4_en
SIGMOID = {"a": -0.72, "L0": 0.75, "k": 10.0, "b": 0.99}  # accuracy of hellaswag_val in its bits per byte


TOO_LONG = 10 * 524288  # tokens by which every run is longer than x times 20 N


def ladder(folder: Path) -> Path:
    """<size>-<x>xC.csv, W&B exports: several losses of equal rank, accuracies in every other row alone; and one rerun."""
    law, curve = scaling.laws["chinchilla"], scaling.laws["downstream_sigmoid_free"]
    folder.mkdir(parents=True)
    for size, N in SIZES.items():
        for times in ("0.5", "1", "2", "5", "10"):
            steps = np.arange(200, 2001, 200)
            D = (float(times) * 20 * N + TOO_LONG) * steps / steps[-1]
            loss = law(float(N), D, **LADDER)
            bpb = loss / 4 + 0.02
            rows = {
                "_step": steps,
                "eval/c4_en-validation/CrossEntropyLoss": loss,
                "eval/pile-validation/CrossEntropyLoss": loss - 0.5,
                "eval/downstream_bpb/hellaswag_val_rc_5shot_bpb": bpb,
                "eval/downstream/hellaswag_val_rc_5shot_len_norm": np.where(np.arange(10) % 2, curve(bpb, **SIGMOID), np.nan),
                **{f"eval/downstream_bpb/mmlu_{c}_test_rc_5shot_bpb": bpb + w / 1e4 for c, w in MMLU.items()},
                "throughput/total_tokens": D.astype(int),
                "optim/learning_rate_group0": np.linspace(4e-4, 4e-5, 10),
                "batch_size_in_tokens": 524288,
            }
            frame = pd.DataFrame(rows)
            frame.to_csv(folder / f"{size}-{times}xC.csv", index=False)
            if (size, times) == ("190M", "1"):
                frame.to_csv(folder / f"{size}-{times}xC-rerun.csv", index=False)
    return folder


CHAIN = {"k": 2.1, "gamma": 0.75, "eps": 0.85}  # mean error on the 17 tasks in the loss on C4
SETS = ("c4_val", "rpj_val", "paloma_ptb")


def over_training(folder: Path) -> Path:
    """exp_data/models/*.json and evals/*.json: nested facts, a list of losses by set, accuracies of 46 tasks; two data sets."""
    (folder / "models").mkdir(parents=True)
    (folder / "evals").mkdir()
    law, error = scaling.laws["over_training"], scaling.laws["downstream_error"]
    models = {"d=96_l=8_h=4": 11_000_000, "d=512_l=8_h=4": 79_000_000, "d=576_l=24_h=8": 154_000_000,
              "d=1024_l=24_h=8": 412_000_000, "open_lm_1b": 1_440_000_000, "open_lm_7b": 6_900_000_000}  # fmt: skip
    rng = np.random.default_rng(0)
    for data, preset in (("c4_original", "gadre2024_c4"), ("rpj", "gadre2024_redpajama")):
        for model, N in models.items():
            for times in (0.5, 1.0, 2.0, 4.0, 16.0, 32.0):
                name, tokens = f"{data}-{model}-{times}", int(20 * times * N)
                loss = float(law.published[preset](float(N), 20 * times))
                results = [
                    {"val_data": [f"s3://sets/{s}/shard-0.tar"], "loss": loss + 0.1 * i,
                     "loss_sequences_lower_95": loss + 0.1 * i - 0.01, "loss_sequences_upper_95": loss + 0.1 * i + 0.01}
                    for i, s in enumerate(SETS)
                ]  # fmt: skip
                results.append({**results[0], "val_data": ["s3://sets/de-en.tar"]})
                facts = {"model": f"configs/{model}.json", "tokens": tokens, "params": N, "params_no_embed": N // 2,
                         "chinchilla_multiplier": times}  # fmt: skip
                saved = {"name": name, "dataset_name": data, "hyperparameters": facts, "results": results}
                (folder / f"models/{name}.json").write_text(json.dumps(saved, indent=1))
                if model == "d=96_l=8_h=4" and times == 0.5:
                    continue  # not every run was evaluated
                mean = float(error(loss, **CHAIN)) + rng.normal(0, 2e-4)
                icl = dict.fromkeys(SUBSET, 1 - mean)
                icl |= {"copa": 1 - mean - 0.05, "piqa": 1 - mean + 0.05}  # the subset's mean stays
                icl |= {"follows": 1 - mean, "coin_toss": rng.choice([0.4, 0.6])}
                (folder / f"evals/evaluation_{name}_heavy.json").write_text(json.dumps({"eval_metrics": {"icl": icl}}))
    return folder


SOURCE = {"E": 1.5, "A": 7e7, "B": 9e8, "alpha": 0.41, "beta": 0.45}
RELATED = {  # data: (K, kappa, E1) of its loss in that of fineweb-edu-100b
    "fineweb-edu-100b": (1.0, 1.0, 1.5),
    "slimpajama-chunk1": (1.05, 0.97, 1.6),
    "starcoder": (0.65, 1.1, 0.8),
}


def sweep(path: Path) -> Path:
    """sweep.csv: one row per run, six budgets, some runs of a set alone; a column `flops` that counts something else."""
    law, rows = scaling.laws["kaplan_offset"], []
    for data, (K, kappa, E1) in RELATED.items():
        for C in (2e17, 6e17, 2e18, 6e18, 1e19, 4.84e19):
            for k, N in enumerate(np.geomspace(0.2, 5, 7) * (C / 6 / 20) ** 0.5):
                if data == "starcoder" and k == 6:
                    continue  # this size was not trained
                base = law(N, C / 6 / N, **SOURCE)
                noise = np.exp(1e-3 * np.random.default_rng(len(rows)).normal())
                loss = (K * (base - SOURCE["E"]) ** kappa + E1) * noise
                own = f"eval/{data.replace('-', '_')}_val/CrossEntropyLoss"
                rows.append({
                    "id": f"r{len(rows)}", "n_layers": 4 + 2 * k, "params": N, "tokens": C / 6 / N, "flops": 1e9 * N,
                    "data": data, "iso_flop": C, "eval/c4_val/CrossEntropyLoss": base, own: loss,
                    "eval/downstream_ce_loss/hellaswag_test_ce_loss": 0.9 * base ** 1.08, "val_loss": loss,
                })  # fmt: skip
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


MIXED = {"E": 1.2, "A": 120.0, "B": 1200.0, "alpha": 0.28, "beta": 0.31}
HELP = {"C": (2.0, 1.0, 0.5, 0.7, 0.3, 0.2, 0.4), "gamma": (0.4, 0.6, 0.3, 0.5, 0.7, 0.2, 0.9)}


def slimpajama(path: Path) -> Path:
    """dmsl_llm_slimpajama.csv: seven shares, sizes of which the paper leaves one out, several token counts, an empty cell."""
    law = scaling.laws["mixture_additive"].using(domains="/".join(DOMAINS))
    values = MIXED | {f"{k}_{d}": v for k, all_ in HELP.items() for d, v in zip(DOMAINS, all_, strict=True)}
    rng, rows = np.random.default_rng(0), []
    for N in (122e6, 310e6, 680e6, 1235e6):
        for _ in range(20):
            share = 0.02 + 0.86 * rng.dirichlet(np.ones(7))
            for D in (2e9, 6e9, 14e9, 30e9):
                loss = law(N, D, *share, **values) * np.exp(2e-3 * rng.normal())
                rows.append([*share, N, D, *(loss + 0.1 * i for i in range(7)), loss])
    names = [f"weight_{d}" for d in DOMAINS] + ["model_size", "n_tokens"] + [f"{d}_loss" for d in DOMAINS]
    frame = pd.DataFrame(rows, columns=[*names, "openhermes_loss"])
    frame.loc[7, "book_loss"] = np.nan
    frame.to_csv(path, index=False)
    return path


PILE = ("arxiv", "github", "pile_cc")
TILT = {"arxiv": (2.5, -1.0, 0.3, 0.6), "github": (2.0, 0.4, -1.2, 0.5), "pile_cc": (3.0, 0.2, 0.1, -0.8)}


def regmix(folder: Path) -> Path:
    """{train,test}_mixture_1m.csv with shares of 3 decimals, many of them 0, and the losses in a second file by index."""
    folder.mkdir(parents=True)
    law = scaling.laws["mixture_exponential"].using(domains="/".join(PILE))
    for seed, (split, n) in enumerate((("train", 120), ("test", 60))):
        rng = np.random.default_rng(seed)
        share = rng.dirichlet(np.full(3, 0.5), n)
        share[share < 0.05] = 0.0
        share /= share.sum(1, keepdims=True)
        index = pd.Index(np.arange(1, n + 1), name="index")
        rounded = np.round(share, 3)
        pd.DataFrame(rounded, index, [f"train_the_pile_{d}" for d in PILE]).to_csv(folder / f"{split}_mixture_1m.csv")
        losses = {
            f"metric/the_pile_{d}_val_loss": law(*share.T, c=c, **dict(zip((f"t_{x}" for x in PILE), t, strict=True)))
            for d, (c, *t) in TILT.items()
        }
        pd.DataFrame(losses, index).to_csv(folder / f"{split}_pile_loss_1m.csv")
    return folder


def scalebench(folder: Path) -> Path:
    """<task>_scaling_law/train-00000-of-00001.parquet: Farseer's sizes and tokens, a grid of rates and batches, mixtures."""
    rng = np.random.default_rng(0)
    N, D = (x.ravel() for x in np.meshgrid(np.geomspace(2e8, 6e9, 8), np.geomspace(2e9, 2e11, 8)))
    loss = scaling.laws["farseer"].published["li2025"](N, D) * np.exp(1e-3 * rng.normal(size=64))
    tables = {"farseer": pd.DataFrame({"group": "all_data", "N": N, "D": D, "loss": loss})}

    rates = []
    for n in (6e7, 2e8, 1e9):
        for d in (2e9, 1e10, 1e11):
            lr, batch = rule(n, d)
            for x in np.linspace(-1.5, 1.7, 9):
                for y in np.linspace(-1.4, 1.6, 7):  # the grid does not hold the optimum
                    worse = 0.006 * (x**2 + 0.5 * y**2 + 0.3 * x * y)
                    rates.append(("all_data", lr * np.exp(x), batch * np.exp(y) / 2048, d, n, 2.5 + worse))
    names = ["group", "lr", "bsz", "data_size", "non_embedding_param_size", "lm_loss"]
    tables["lr_bsz"] = pd.DataFrame(rates, columns=names)

    law = scaling.laws["mixture_exponential"].using(domains="1/2/3/4/5")
    share = np.round(rng.dirichlet(np.full(5, 0.8), 20), 2)
    share[0] = 0.25, 0.0, 0.25, 0.25, 0.25
    truth = {"c": 1.5, "t_1": 0.5, "t_2": 0.2, "t_3": -0.1, "t_4": 0.4, "t_5": 0.1}
    mixed = [
        {"group": group, **{f"proportion_domain_{i + 1}": s[i] for i in range(5)},
         **{f"loss_domain_{i + 1}": float(law(*s, **truth)) + 0.1 * i for i in range(5)}}
        for group in ("70M", "160M", "305M", "410M") for s in share
    ]  # fmt: skip
    tables["domain_mixture"] = pd.DataFrame(mixed)
    for task, table in tables.items():
        (folder / f"{task}_scaling_law").mkdir(parents=True)
        table.to_parquet(folder / f"{task}_scaling_law/train-00000-of-00001.parquet")
    return folder


STEP_LAW = {"K": 1.8, "alpha": 0.71, "beta": 0.31, "K_B": 0.6, "gamma": 0.57}


def rule(N, D):
    """Best learning rate and batch (tokens) of the grid above."""
    s = STEP_LAW
    return s["K"] * N ** -s["alpha"] * D ** s["beta"], s["K_B"] * D ** s["gamma"]


TRANSLATION = {"a_N": 0.11, "N_C": 8e8, "a_D": 0.39, "D_C": 3e8}
BLEU = {"C": 70.0, "k": 0.45}


def translation(path: Path) -> Path:
    """data_scaling.0126.summary: lines of facts behind #, tabs, the column ModelSize holding a width, D in bytes."""
    law, bleu = scaling.laws["mt_data"], scaling.laws["bleu_exponential"]
    lines = ["# Constant branch point: BPE=BPE.30000", "# Constant branch point: BatchSize=BatchSize.4096"]
    lines.append("\t".join(["DataPercent", "FeedForward", "Lang", "Layers", "ModelSize", "bleu_dev", "data_bytes", "ent_dev"]))
    rng = np.random.default_rng(0)
    for lang in ("ruen", "deen"):
        for width, layers in ((128, 1), (256, 1), (512, 1), (512, 3), (512, 6)):
            for percent in (1, 4, 16, 50, 100):
                N, D = 2 * layers * (4 * width**2 + 2 * width * 4 * width), percent * 3e6
                loss = float(law(float(N), D, **TRANSLATION)) * np.exp(5e-3 * rng.normal())
                score = float(bleu(loss, **BLEU))
                lines.append("\t".join(map(str, [percent, 4 * width, lang, layers, width, score, int(D), loss])))
    path.write_text("\n".join(lines) + "\n")
    return path


def critical_batch(path: Path) -> Path:
    """steps_to_target.csv: units in the names (millions, sequences), whole steps, another target for every model."""
    rows = []
    for millions in (85, 302, 1200):
        B_crit, S_min = 150 * millions**0.6, 1500.0 * (millions / 85) ** 0.1
        for B in (64, 128, 256, 512, 1024, 2048, 4096, 8192):
            rows.append((f"{millions}M", millions, B, round(S_min * (1 + B_crit / B))))
    columns = ["model", "params_million", "batch_sequences", "steps"]
    pd.DataFrame(rows, columns=columns).to_csv(path, index=False)
    return path


def isoflops(path: Path) -> Path:
    """isoflops.csv: every point twice, as raw_loss and as its exponential."""
    law, rows = scaling.laws["chinchilla"].published["besiroglu2024"], []
    for C in (1e19, 1e20, 1e21):
        for N in np.geomspace(0.3, 3, 9) * (C / 120) ** 0.5:
            loss = float(law(N, C / 6 / N))
            for condition, value in (("raw_loss", loss), ("exp_loss", np.exp(loss))):
                rows.append(("own", condition, C / 6 / N, N, C, value))
    pd.DataFrame(rows, columns=["source", "condition", "tokens", "params", "budget", "loss"]).to_csv(path, index=False)
    return path


def figure(path: Path, points: pd.DataFrame) -> Path:
    """svg_extracted_data.csv: names with blanks, FLOP in place of tokens."""
    out = pd.DataFrame({"Model Size": points["N"], "Training FLOP": 6 * points["N"] * points["D"], "loss": points["loss"]})
    out.to_csv(path, index=False)
    return path
