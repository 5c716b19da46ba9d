"""Make the curves of this folder: `python runs/make.py` trains what is missing, one run after the other.

Three sizes, each under five short schedules and one three times longer, which forecasts must not see. Runs of one
size differ in nothing but the schedule: weights, data order, batch, peak rate and warm-up are the same, so constant,
wsd and two-stage runs share their beginning bit by bit.
"""

import os
import sys
from pathlib import Path

from scaling.training import RunSpec, train

SIZES = {"d24": {"d_model": 24, "n_head": 2}, "d32": {"d_model": 32, "n_head": 2}, "d48": {"d_model": 48, "n_head": 3}}
START = "peak=8e-3,warmup=160"
SHORT = {
    "constant": f"constant:{START},steps=3200",
    "cosine": f"cosine:{START},steps=3200,final=0.1",
    "wsd-linear": f"wsd:{START},steps=3200,decay=0.2,shape=linear,final=0.1",
    "wsd-1sqrt": f"wsd:{START},steps=3200,decay=0.2,shape=1-sqrt,final=0.1",
    "two-stage": f"two_stage:{START},steps=3200,switch=2100,then=2.4e-3",
}
LONG = {"long": f"wsd:{START},steps=9600,decay=0.2,shape=1-sqrt,final=0.1"}


def main(wanted: list[str]) -> None:
    folder = os.path.relpath(Path(__file__).parent)  # relative, because it is recorded in the command
    for size, shape in SIZES.items():
        for kind, text in (SHORT | LONG).items():
            name = f"{size}-{kind}"
            if wanted and name not in wanted:
                continue
            role = "long" if kind in LONG else "short"
            spec = RunSpec(schedule=text, **shape, eval_every=80 if kind in LONG else 40)
            row = train(spec, folder, name=name, device="cpu", labels={"role": role})
            print(f"{name:16} {row['status']:9} {row['final_val_loss']:.4f} +- {row['val_se']:.4f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
