"""What training programs print: one table. A row says under which keys a line holds its step and its losses."""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

# any number; a fact's unit may stand behind it
NUMBER = r"\d{1,3}(?:,\d{3})+|\d+(?:\.\d+)?(?:e[-+]?\d+)?[KMBGT]?"

BY_BAR = "updates by the bar"  # the key under which `scaling.logs.sources.bars` writes them

COLUMNS = {  # what a dialect tells keys for -> the column it becomes
    "step": "step", "train": "train_loss", "val": "val_loss", "lr": "lr", "tokens": "tokens", "norm": "grad_norm",
    "samples": "samples", "batch": "batch_size", "epoch": "epoch", "bpb": "val/bpb", "other": "other",
}  # fmt: skip


@dataclass(frozen=True)
class Dialect:
    """Keys are in small letters, alternatives told apart by `;`, the first that a line has counts; `*` stands for a name.

    Attributes
    ----------
    step : keys of the step, of which `N/TOTAL` gives the planned length. `^`: the number that begins a line.
    train, val : keys of the two losses. lr, tokens, norm : of rate, tokens so far, gradient norm. samples : sequences so
        far. batch : sequences of an update. epoch : where steps may be counted anew. other : losses of another kind, not read.
    bpb : bits per byte, which are no nats.
    unit : what the step counts. base : of the logarithm in the losses, 2 for bits; None for nats.
    sign : what must stand somewhere in the file, if the keys alone are anybody's.
    evaluation, summary : lines whose loss is that of an evaluation, or a mean over much more than a step (not read).
    below : losses on lines without a step belong to the step "above" or "after".
    stale : are evaluations repeated on every line until the next?
    note : what a reader of the loss should know. advice : where to find the updates that it does not print.
    """

    name: str
    step: str
    train: str = ""
    val: str = ""
    lr: str = ""
    tokens: str = ""
    norm: str = ""
    samples: str = ""
    batch: str = ""
    epoch: str = ""
    bpb: str = ""
    other: str = ""
    unit: str = "updates"
    base: float | None = None
    sign: str = ""
    evaluation: str = ""
    summary: str = ""
    below: str = ""
    stale: bool = False
    note: str = ""
    advice: str = ""

    @cached_property
    def keys(self) -> dict[str, tuple[str, int]]:
        """Key -> its column, and its rank among the keys of that."""
        return {
            key: (column, i) for kind, column in COLUMNS.items() for i, key in enumerate(getattr(self, kind).split(";")) if key
        }

    def known(self, key: str) -> tuple[str, int] | None:
        """Column and rank of a printed key; None for one of another dialect. Evaluations named by `*` have columns each."""
        if key not in self._seen:
            starred = next((k for k in self.keys if "*" in k and fnmatchcase(key, k)), None)
            column, rank = self.keys.get(starred or key, ("", 0))
            self._seen[key] = (key if starred and column == "val_loss" else column, rank) if column else None
        return self._seen[key]

    @cached_property
    def _seen(self) -> dict[str, tuple[str, int] | None]:
        return {}


DIALECTS = (
    Dialect(
        "nanoGPT", "iter;step", "loss", "val loss;validation loss", lr="lr", norm="norm", other="train loss",
        sign=r"\bmfu\b|tokens per iteration will be", below="after",
    ),
    Dialect(
        "build-nanogpt", "step;^", "loss;train", "validation loss;val", "lr", norm="norm", other="hella",
        sign=r"tok/sec:|^\d+ hella ", below="after",
    ),
    Dialect("modded-nanogpt", "step", "train_loss", "val_loss", "lr", sign=r"step:\d+/\d+ .*train_time:"),
    Dialect(
        "nanochat", "step", "loss", bpb="validation bpb", norm="grad norm", sign=r"\blrm: |validation bpb",
        note="nanochat prints a running mean of the training loss (weight 0.1 of the newest), without the rate",
    ),
    Dialect("llm.c", "s", "trl", "tel", "lr", norm="norm", other="eval"),
    Dialect("llm.c on the terminal", "step", "loss", "val loss", "lr", norm="norm", below="above", sign=r"\([-+]?[\dna.]+z\)"),
    Dialect(
        "Megatron", "iteration", "lm loss", "lm loss value", "learning rate", "consumed tokens", "grad norm",
        samples="consumed samples", batch="global batch size", summary=r"on test set|for test data",
    ),
    Dialect(
        "NeMo", "global_step;iteration", "reduced_train_loss", "val_loss", "lr", samples="consumed_samples",
        batch="global_batch_size", stale=True,
    ),
    Dialect("torchtitan", "validate step;step", "loss", lr="lr", norm="grad_norm", evaluation=r"validate step",
            sign=r"\btps: "),
    Dialect(
        "nanotron", "iteration", "lm_loss", "validation_loss;val_loss", "lr", "consumed_tokens", "grad_norm",
        batch="global_batch_size", samples="consumed_samples",
    ),
    Dialect("torchtune", "step", "loss", "val_loss", "lr", norm="grad_norm", sign=r"tokens_per_second_per_gpu|^Step \d+ \| "),
    Dialect(
        "MaxText", "completed step;after step;step", "lm_loss;loss", "eval_loss;avg_loss", "learning_rate",
        sign=r"completed step: ", evaluation=r"\beval\b|eval_loss", other="z_loss",
    ),
    Dialect("DeepSpeed", "step;steps", "loss", lr="lr", sign=r"iter time \(s\)|skipped=\d+, lr="),
    Dialect(
        "fairseq", "num_updates;train_num_updates;valid_num_updates", "nll_loss;loss", "valid_nll_loss;valid_loss", "lr",
        norm="gnorm", base=2, sign=r"\| (?:train_inner|valid|train) \||\bgnorm[= ]", evaluation=r"\| valid",
        summary=r"\| train \||epoch \d+ \| (?:nll_)?loss|\| test",
    ),
    Dialect(
        "OLMo", "[step", "train/crossentropyloss", "eval/*/crossentropyloss", "optim/learning_rate_group0",
        "throughput/total_tokens", "optim/total_grad_norm;optim/grad_norm", below="above",
    ),
    Dialect(
        "OLMo-core", "[step", "train/ce loss", "eval/lm/*/ce loss;eval/*/ce loss", "optim/lr (group 0);optim/lr",
        "throughput/total tokens", "optim/total grad norm", below="above",
    ),
    Dialect("litgpt", "step", "loss train", "val", stale=True, sign=r"\| iter \d+ step \d+ \|"),
    Dialect(
        "Composer", "[batch", "train loss/train/total", "eval metrics/eval/languagecrossentropy", "train lr-*/group0",
        "train time/token", below="above",
    ),
    Dialect(
        "Hugging Face on the terminal", "epoch", "loss", "eval_loss", "learning_rate", norm="grad_norm", unit="epochs",
        advice="read trainer_state.json beside it, which has the steps, or say steps_per_epoch, updates per epoch",
        sign=r"^\{'(?:eval_)?loss'", summary="train_runtime",
    ),
    Dialect(
        "Hugging Face with its progress bar", BY_BAR, "loss", "eval_loss", "learning_rate", norm="grad_norm",
        summary="train_runtime", sign=rf"^{BY_BAR}: ",
        note="its steps are those of the progress bar that is drawn after each record",
    ),
    Dialect(  # whoever prints `step 100 loss 3.25`
        "", "global_step;global step;num_updates;updates;update;step;[step;iteration;iter;steps",
        "loss;train_loss;train loss;training loss;train/loss;training_loss;lm loss;lm_loss;ce loss;ce_loss",
        "val_loss;val loss;valid_loss;valid loss;validation loss;validation_loss;eval_loss;eval loss;val/loss;eval/loss",
        "lr;learning rate;learning_rate", "tokens;total_tokens;total tokens;consumed tokens;tokens_seen",
        "grad_norm;grad norm;gnorm", epoch="epoch",
        evaluation=r"(?i)\b(?:eval|evaluation|valid|validation)\b|[\[(](?:val|dev)[\])]|^(?:val|dev)\b",
        summary=r"(?i)\[test\]|^test\b",
        other="test loss;test_loss;aux_loss;aux loss;z_loss;z loss;moving loss;average loss;avg loss;avg_loss",
    ),
)  # fmt: skip

# headers: what is printed once, and the fact it gives; %s is a number
FACTS = {
    r"tokens per iteration will be: %s": "batch_tokens",
    r"total (?:desired )?batch size:? %s (?:=>|tokens)": "batch_tokens",
    r"number of parameters: %s": "n_params",
    r"size: %s total parameters": "n_params",
    r"num\. (?:shared )?model params: %s": "n_params",
    r"number parameters: %s billion": "n_params",
    r"\| num_parameters +\| %s": "n_params",
    r"\bglobal batch size %s,": "batch_size",
    r"\bglobal_batch_size \.+ %s": "batch_size",
    r"\bsequence length %s,": "context",
    r"\bseq_length \.+ %s": "context",
    r"\btrain_iters \.+ %s": "max_steps",
    r"\btotal steps %s ": "max_steps",
    r"^max_iters = %s": "max_steps",
    r"Config param steps: %s": "max_steps",
    r"found vocab_size = %s ": "vocab_size",
    r"^vocab size: %s": "vocab_size",
    r"padded_vocab_size \.+ %s": "vocab_size",
}
FACT = {
    re.compile(pattern.replace("%s", rf"({NUMBER})(?=[\s;|)]|,(?!\d)|\.?$|\.\s)"), re.IGNORECASE | re.MULTILINE): name
    for pattern, name in FACTS.items()
}
