"""Remedies of Python in the words of the command line."""

import pytest

from scaling.cli.spoken import spoken
from scaling.words import many, others


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        (
            "no column. Name it: columns={'step': COLUMN} (command line: --map step=COLUMN)",
            "no column. Name it: --map step=COLUMN",
        ),
        ("extrapolated; lowest= keeps the search inside", "extrapolated; --lowest keeps the search inside"),
        ("or pass schedule='cosine:peak=...,steps=...'.", "or pass --schedule cosine:peak=...,steps=...."),
        ('leave out with where="loss != 2.13"; then', "leave out with --where 'loss != 2.13'; then"),
        ("use objective='squares' (or 'huber')", "use --objective squares (or 'huber')"),
        (
            "to 10. Write steps=20 in 'cosine:peak=0.1,steps=10' (command line: leave steps= out and add --steps 20)",
            "to 10. leave steps= out and add --steps 20",
        ),
        ("takes flops=, with N= or D= held", "takes --flops, with --N or --D held"),
        ("goes with unique={'web': ..., 'code': ...}, the", "goes with --unique web=... --unique code=..., the"),
        ("facts={'run': {'n_params': ...}}.", "--fact n_params=...."),
        ("give steps=11 or more", "give --steps 11 or more"),
        ("lowest=2.0 is", "--lowest 2.0 is"),
        ("or pass schedule=...", "or pass --schedule ..."),
        ("unless cost= (--cost) names", "unless --cost names"),
        ("shape=Shape(d_model, n_layer), to convert", "--shape d_model=NUMBER,n_layer=NUMBER, to convert"),
        ("force=True does it", "--force does it"),
        ("gpu_hours=, gpu= and utilisation= together", "--gpu-hours, --gpu and --utilisation together"),
        ("gpu='H1000' is unknown", "--gpu H1000 is unknown"),
        ("utilisation=40 must be a share", "--utilisation 40 must be a share"),
        # what is no remedy stays: schedules as text, commands, constants, columns
        (
            "plan Schedule(constant:peak=0.1,steps=20; 20 updates) ends",
            "plan Schedule(constant:peak=0.1,steps=20; 20 updates) ends",
        ),
        ("'wsd:peak=3e-4,steps=24k'", "'wsd:peak=3e-4,steps=24k'"),
        ("`scaling fit --fixed alpha=0.3`; q=0.8, x=D", "`scaling fit --fixed alpha=0.3`; q=0.8, x=D"),
        ("power_law:x=N", "power_law:x=N"),
        ("runs share size and tokens (N=11344, D=3276800, ...)", "runs share size and tokens (N=11344, D=3276800, ...)"),
    ],
)
def test_arguments_become_options(python, shell):
    assert spoken(python) == shell
    assert spoken("a\0 9\0") == "a\\0 9\\0"  # a byte of some file is no mark of ours
    assert spoken(shell) == shell or "steps=" in shell


def test_a_number_of_things_agrees_with_their_name():
    assert [many(n, "row") for n in (0, 1, 2, 12_000)] == ["0 rows", "1 row", "2 rows", "12,000 rows"]
    assert [others(n) for n in (1, 2)] == ["", " (2 such rows)"]
