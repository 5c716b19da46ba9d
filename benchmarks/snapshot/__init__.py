"""Does a change of the architecture change a result? All that users see, as one flat file of numbers and texts, compared.

    python -m benchmarks.snapshot make OUT.json [--tree OTHER_WORKTREE] [--only PREFIX]
    python -m benchmarks.snapshot compare OLD.json NEW.json [--only PREFIX] [--rtol 1e-9]

The tool of one tree looks at the package of another (--tree), so that both are asked the same; what is called otherwise in
one of them is in `house.py` alone. About two minutes of CPU. Differences that are meant are listed in `expected.md`.
"""
