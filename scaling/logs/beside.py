"""What the files beside a log say about its run, and the names and numbers of facts."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scaling.counting.columns import ALIASES
from scaling.logs.findings import Findings
from scaling.words import FORMER, parse_number, plain_name

RECORDS = ("config.json", "hparams.yaml", "hparams.json", "params.json")  # beside a log, about the run it is of
ALIASES_OF_FACTS = FORMER | {
    "batch_size_in_tokens": "batch_tokens",
    "tokens_per_step": "batch_tokens",
    "tokens_per_batch": "batch_tokens",
    "learning_rate_peak": "peak_lr",
    "max_lr": "peak_lr",
    "total_params": "n_params",
    "total_parameters": "n_params",
    "seq_len": "context",
    "max_steps": "steps",
    "total_steps": "steps",
    "train_iters": "steps",
    "max_iters": "steps",
    "vocab_size": "vocab",
    "gradient_accumulation_steps": "accumulation",
    "grad_accumulation_steps": "accumulation",
    "accumulate_grad_batches": "accumulation",
    "accumulation_steps": "accumulation",
}
SIZES = {*ALIASES["N"]} - {"size"}  # which beside a curve may be that of anything
LARGEST_RECORD = 2**16  # bytes


def beside(path: Path, findings: Findings) -> dict[str, Any]:
    """Facts in the files that trainers write beside a log: config.json, hparams.yaml, a record STEM.json."""
    folder = path if path.is_dir() else path.parent
    record = path.with_suffix(".json")
    files = [folder / name for name in RECORDS] + ([record] if record != path and not path.is_dir() else [])
    found: dict[str, Any] = {}
    for file in files:
        if not file.is_file() or file.stat().st_size > LARGEST_RECORD:
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        try:
            said = json.loads(text) if file.suffix == ".json" else dict(_yaml(text))
        except (ValueError, RecursionError):
            findings.note("no JSON, so without its facts", str(file))
            continue
        found |= numbers_in(said) if isinstance(said, dict) else {}
    return found


def numbers_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers of a record, by the names of facts, and its status; what else there is describes no curve."""
    good = {k: v for k, v in record.items() if (isinstance(v, (int, float)) and not isinstance(v, bool)) or k == "status"}
    return canonical(good)


def canonical(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts by the names that they have here; what already is one of these stays."""
    named = {key: _name(key, value) for key, value in facts.items()}
    return {name if name == key or name not in facts else key: facts[key] for key, name in named.items()}


def _name(key: str, value: Any) -> str:
    """The name here of a fact; of the number of parameters, which tables of runs call so too, only where it is a number."""
    if (plain := plain_name(key)) in SIZES and isinstance(value, (int, float)) and not isinstance(value, bool):
        return "n_params"
    return ALIASES_OF_FACTS.get(key, ALIASES_OF_FACTS.get(plain, key))


def _yaml(text: str) -> Iterator[tuple[str, Any]]:
    """The lines `key: value` of a flat YAML file, which is how hyperparameters are saved."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() and not key.lstrip().startswith(("#", "-")):
            yield key.strip(), parse(value.partition(" #")[0].strip(" '\""))


def parse(cell: str) -> Any:
    """A whole number, a number, also with a unit (125M), or the text itself."""
    for kind in (int, float, parse_number):
        try:
            if kind is parse_number or "_" not in cell:  # int and float read 1_0, too
                return kind(cell)
        except ValueError:
            continue
    return cell
