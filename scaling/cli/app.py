"""The application: its verbs, and what becomes of an error (one line on stderr and an exit code)."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence

from cyclopts import App, CycloptsError

import scaling
from scaling import errors
from scaling.cli import options, output, own_laws, progress, stopped

EXAMPLES = """Examples:

    scaling demo
    scaling runs logs/
    scaling fit logs/short-*.csv --law progress -o fit.json
    scaling predict fit.json --schedule wsd:peak=3e-4,warmup=2k --steps 100k
    scaling plan fit.json --flops 1e22
    scaling train out/ --schedule cosine:peak=1e-2,steps=2000,warmup=100
    scaling sweep ladder.toml out/ --dry-run
"""
EXIT_CODES = """Exit codes: 0 ok, 1 unexpected, 2 usage, 3 bad data, 4 fit not trustworthy under --strict,
5 missing extra, 6 not worth finishing (watch), 130 interrupted, 143 told to end. With --json the result is one JSON document,
alone on stdout; notes and errors are on stderr.
"""
CODES: dict[type[Exception], int] = {
    errors.ArgumentError: 2,
    errors.LawError: 2,
    errors.ScheduleError: 2,
    errors.MachineError: 1,
    errors.TrainingDataError: 3,
    errors.TrainingError: 2,
    errors.DataError: 3,
    errors.FitError: 3,
    errors.MissingExtra: 5,
}
# the first line of each verb's docstring, said again so that the overview imports no verb
VERBS = {
    "demo": "Copy sample logs to a folder, and fit, forecast and report them there, each command shown.",
    "runs": "Read logs and print one row per run.",
    "fit": "Fit a law to logs and print the report, verdict first.",
    "predict": "Predict losses with a saved fit: at given inputs, over a schedule, or for logged runs.",
    "forecast": "Forecast the end of a running job from its own log and planned schedule; no fit is needed.",
    "register": "Write a forecast down before its run: dated, with digests of data and code, and never replaced.",
    "score": "Score a registered forecast against its run, or see how all forecasts of a folder did over time.",
    "watch": "Watch the log of a running job, of any format, and forecast its end whenever it has grown.",
    "compare": "Compare laws by their error on held-out data; never by how well they fit.",
    "relate": "Fit how the loss on one data set follows from that on another, over runs of equal size and tokens.",
    "plan": "Find the best size and tokens for a budget, or the cheapest run that reaches a loss.",
    "recipe": "Turn a budget, or a size and tokens, into a whole recipe: every line with its law, interval and rivals.",
    "settings": "Find learning rate and batch for a size and its tokens, from a grid of runs of other sizes.",
    "mix": "Find the best shares of the tokens for families or domains.",
    "next": "Choose which runs to make next, so that a prediction far away is off by least per cost.",
    "search": "Search the learning rates of a given number of updates with the lowest final loss.",
    "merge": "Weigh checkpoints of a run at constant rate so that their average imitates a decay of the learning rate.",
    "report": "Print the report of a saved fit or a folder of logs; -o writes a page with figures, plan, backtest and sliders.",
    "laws": "List the laws, or show one: formula, parameters, published constants.",
    "completion": "Print what makes a shell complete verbs and options.",
    "train": "Train one small model and write its loss curve; go on where an interrupted run stopped.",
    "sweep": "Train the runs of a sweep file; what runs share is trained once, and finished runs are left alone.",
}
WATCHED = ("sweep", "train", "watch")  # verbs that say themselves how far they are
QUIET = {"-q", "--quiet"}
PATHS = ("--output=", "--plot=")
OWNERS = {  # of options that a verb had: how their verb is written
    ("plan", "--pool --target --budget --cost --branch"): "next FIT --pool RUNS --target RUNS --budget COST",
    ("plan", "--mixture --objective --weight --floor --cap"): "mix NAME=FIT ... --N SIZE --D TOKENS",
    ("plan", "--schedule --steps --warmup --peak --lowest --output -o"): "search FIT --kind free --steps STEPS",
    ("predict", "--at-end --reference"): "forecast LOG --reference LOGS",
    ("fit", "--source --target"): "relate --source RUNS --target RUNS",
}

app = App(
    name="scaling",
    help="Fit scaling laws to training logs and predict the loss of runs nobody has made yet.",
    help_prologue=EXAMPLES,
    help_epilogue=EXIT_CODES,
    help_format="markdown",
    suppress_keyboard_interrupt=False,  # main says so and leaves with 130 or 143
    version=scaling.__version__,
)
app["--help"].group = app["--version"].group = "Help"
app.command("scaling.cli.runs_import:run", name="runs-import", help="", help_prologue="", help_epilogue="", show=False)
for verb, line in VERBS.items():
    app.command(f"scaling.cli.{verb}:run", name=verb, help=line, help_prologue="", help_epilogue="")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: that of the process) and return its exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in tokens
    try:
        output.heard(tokens)
        check_words(tokens)
        answer_old(tokens)
        tokens = ["runs-import", *tokens[2:]] if tokens[:2] == ["runs", "import"] else tokens
        if named := next((token for token in tokens if token in VERBS), None):
            app[named].help = None  # the page of a verb is its docstring
        own_laws.load_all(tokens)
        with warnings.catch_warnings():
            if not debug:
                warnings.showwarning = lambda message, *_: output.warning(str(message))  # without its line of source
            with progress.shown(named not in WATCHED and not QUIET & {*tokens}):
                code = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
            sys.stdout.flush()
        return int(code or 0)
    except BrokenPipeError:  # the reader, such as `head`, has had enough: no error, and nothing more to flush
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit:  # so does the printer of help
        return 0
    except KeyboardInterrupt as problem:
        said, code = stopped(problem)
        output.error(said)
        return code
    except Exception as problem:
        if debug:
            traceback.print_exc()
        return report(problem)


def check_words(tokens: Sequence[str]) -> None:
    """Refuse an empty word, such as a shell makes of a variable that is not set: as a path it would be the current folder."""
    for before, token in zip(["", *tokens], tokens, strict=False):
        name, equals, value = token.partition("=") if token.startswith(PATHS) else (before, "=", token)
        if equals and not value.strip():  # of other options --name= stands for none, as in the commands that a sweep records
            said = f"{name} is given an empty value" if name.startswith("-") else "an argument is empty"
            raise errors.ArgumentError(f"{said}; give one, or leave it out (the current folder is .)")


def answer_old(tokens: Sequence[str]) -> None:
    """Answer a command line in an old spelling with the new one."""
    verb, given = tokens[0] if tokens else "", [token.partition("=")[0] for token in tokens[1:]]
    files = [i for i, token in enumerate(given) if token.endswith(".json") and not (i and given[i - 1].startswith("-"))]
    if verb == "plan" and len(files) > 1:
        given.insert(0, "--mixture")  # several fits mean nothing else
    for token in given:
        for (was, had), now in OWNERS.items():
            if verb == was and token in had.split():
                raise errors.ArgumentError(f"was `scaling {was} {token}`; write `scaling {now}`")


def report(problem: Exception) -> int:
    """Say what went wrong on stderr and return the exit code that stands for it."""
    if isinstance(problem, CycloptsError):
        verb = " ".join(["scaling", *(problem.command_chain or ())]).replace("runs-import", "runs import")
        output.error(f"{options.explain(problem)}\n`{verb} --help` shows what there is")
        return 2
    if isinstance(problem, errors.ScalingError | OSError):
        output.error(str(problem))
        return next((code for kind, code in CODES.items() if isinstance(problem, kind)), 1)
    output.error(f"unexpected {type(problem).__name__}: {problem}\n--debug shows where it happened")
    return 1
