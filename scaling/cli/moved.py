"""What verbs used to take, and how it is written now."""

from __future__ import annotations

from collections.abc import Sequence

from scaling.errors import ArgumentError

OWNERS = {  # of options that a verb had: how their verb is written
    ("plan", "--pool --target --budget --cost --branch"): "next FIT --pool RUNS --target RUNS --budget COST",
    ("plan", "--mixture --objective --weight --floor --cap"): "mix NAME=FIT ... --N SIZE --D TOKENS",
    ("plan", "--schedule --steps --warmup --peak --lowest --output -o"): "search FIT --kind free --steps STEPS",
    ("predict", "--at-end --reference"): "forecast LOG --reference LOGS",
    ("fit", "--source --target"): "relate --source RUNS --target RUNS",
}


def check(tokens: Sequence[str]) -> None:
    """Answer a command line in an old spelling with the new one."""
    verb, given = tokens[0] if tokens else "", [token.partition("=")[0] for token in tokens[1:]]
    if verb == "plan" and sum(token.endswith(".json") for token in given) > 1:
        given.insert(0, "--mixture")  # several fits mean nothing else
    for token in given:
        for (was, options), now in OWNERS.items():
            if verb == was and token in options.split():
                raise ArgumentError(f"was `scaling {was} {token}`; write `scaling {now}`")
