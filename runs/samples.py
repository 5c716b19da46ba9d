"""The samples in the package (scaling/samples), taken from the runs here: `python runs/samples.py` writes them anew."""

from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
TO = HERE.parent / "scaling/samples"
FACTS = ["run_id", "n_params", "tokens", "batch_tokens", "steps", "peak_lr", "schedule"]
ROWS = ["step", "tokens", "lr", "val_loss"]
HELD, STOPPED = "d96-long-cosine", 9600  # the run that is forecast, and where its log stops


def files() -> dict[str, bytes]:
    """Path -> content: a ladder of 18 small runs, a larger run, three quarters logged, the same run whole, a table of ends."""
    runs = pd.read_csv(HERE / "ladder/runs.csv")
    small = runs["schedule"].str.match("cosine|wsd.*decay=0.3") & (runs["batch"] == 16) & (runs["peak_lr"] == 0.008)
    ladder = runs[small & (runs["d_model"] < 96) & (runs["steps"] < 12800)]
    made = {"ladder/runs.csv": text(ladder[FACTS])}
    for name in ladder["run_id"]:
        made[f"ladder/curves/{name}.csv"] = text(curve(name))
    one, whole = runs.loc[runs["run_id"] == HELD, FACTS], curve(HELD)
    for folder, rows in (("running", whole[whole["step"] <= STOPPED]), ("finished", whole)):
        made[f"{folder}/runs.csv"], made[f"{folder}/curves/{HELD}.csv"] = text(one), text(rows)
    ends = pd.read_csv(HERE / "surface/runs.csv").rename(columns={"n_params": "N", "tokens": "D", "final_loss": "loss"})
    made["table.csv"] = text(ends[["N", "D", "loss"]].round(6))
    return made


def curve(name: str) -> pd.DataFrame:
    return pd.read_csv(HERE / f"ladder/curves/{name}.csv")[ROWS].round({"val_loss": 6})


def text(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


if __name__ == "__main__":
    for name, content in files().items():
        (TO / name).parent.mkdir(parents=True, exist_ok=True)
        (TO / name).write_bytes(content)
