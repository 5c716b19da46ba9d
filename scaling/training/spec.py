"""What decides the numbers of one training run, and nothing else."""

import re
import shlex
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np

from scaling.counting import Shape, flops_per_token, parameters
from scaling.errors import TrainingError
from scaling.schedules import Schedule
from scaling.schedules import schedule as make_schedule

MOST_PARAMETERS = 10**11
RULES = ("sp", "mup", "completep")
OPTIMISERS = ("adamw", "sgd", "muon", "hyperball", "momo", "frugal")
_KINDS: dict[Any, tuple[type, str]] = {
    int: (Integral, "a whole number"),
    float: (Real, "a number"),
    bool: (bool, "true or false"),
    str: (str, "text"),
}

_RANGES: dict[str, tuple[float, float]] = {  # from, to below: far beyond what this trainer is for, and still quick to refuse
    "n_layer": (1, 2**10 + 1),
    "experts": (1, 2**12 + 1),
    "d_model n_head context batch base_width base_depth": (1, 2**20 + 1),
    "eval_every eval_tokens val_tokens": (1, 2**40 + 1),
    "vocab": (256, 2**16 + 1),
    "n_encoder": (0, 2**10 + 1),
    "weight_decay z_loss loss_floor safe_step balance": (0, inf),
    "seed data_seed qat_from": (0, 2**63),
    "beta1 beta2": (0, 1),
}
WATCHED = ("rate_share", "step_share", "max_vio")


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """One run: model, data order, optimiser, schedule, and when it is evaluated.

    Two runs with equal specs on one machine write the same curve, byte for byte. Where the files go and
    the device are arguments of `train`.

    Parameters
    ----------
    schedule : str
        Learning rate of every update as text, for example `wsd:peak=1e-2,steps=2000,warmup=100,decay=0.2`;
        its number of steps is the length of the run.
    n_layer : int
        Depth.
    d_model : int
        Width; the MLP is four times as wide.
    n_head : int
        Attention heads; they divide the width.
    context : int
        Tokens a sequence: bytes, as long as `vocab` is 256.
    batch : int
        Sequences an update.
    seed : int
        Of the initial weights.
    data_seed : int
        Of the order of the data.
    weight_decay : float
        Matrices and embeddings decay, gains do not; nor do the block matrices of hyperball.
    beta1 : float
        AdamW's memory of gradients; the momentum of sgd.
    beta2 : float
        AdamW's memory of squared gradients.
    clip : float
        Largest global gradient norm; gradients above are scaled down to it.
    corpus : str
        `python` (sources of the running interpreter's standard library), `headers` (C and C++ headers of the
        installed packages) or a folder of text files; or a mixture of such, with the share of the sequences
        that each gives: `0.7 python + 0.3 notes/`. A share of 0 is only judged, never learned from.
    vocab : int
        256: a token is a byte. More: so many tokens of byte-pair encoding, learned from the text that is trained on
        (`scaling-laws[vocabulary]`); losses are then in nats a token, and those a byte are written beside them.
    eval_every : int
        Updates between two rows of the curve. Steps 1, 2, 4, .. come first; after the last step at the peak
        rate rows are five times denser, if that part is at most half of the run. Absolute, so that runs which
        share the start of their schedule also share rows.
    eval_tokens : int
        Tokens of validation text behind every row of the curve; a multiple of `context`.
    val_tokens : int
        Tokens of validation text behind the final loss; a multiple of `context`.
    n_encoder : int
        Encoder blocks. With any, every sequence is a pair: the encoder reads `context` tokens in both directions,
        the decoder (`n_layer` blocks, with attention to the encoder) predicts the `context` tokens that follow.
    qk_norm : bool
        Normalise queries and keys of each head (LayerNorm, gains shared by the heads; 2309.14322).
    z_loss : float
        Coefficient of PaLM's (log Z)^2 in what is minimised (2204.02311); all reported losses are cross-entropy alone.
        Not the Z-loss of 1604.08859, which replaces cross-entropy.
    independent_decay : bool
        Weights shrink by `weight_decay` x rate / peak rate an update instead of `weight_decay` x rate.
    parametrization : {'sp', 'mup', 'completep'}
        How initial weights, rates and branches depend on width and depth (2203.03466, 2505.01618).
    base_width : int
        The width at which `mup` and `completep` take rate and initial weights as they are; 256 suits the latter.
    base_depth : int
        The depth at which `completep` takes the rate as it is.
    qat_bits : int
        Block matrices are rounded to this many bits (a scale for each row, straight-through gradient); 0: never.
    qat_from : int
        Updates before the rounding begins.
    probes : bool
        Rows of the curve also say how far the weights are from the first ones, the safe-step ratio of the last update
        (2603.13552; beyond 1 an expansion of the loss along it need not converge), and the share of its tokens whose
        chance is 1 in float32: their loss is 0, and their logit has no gradient left (softmax collapse, 2501.04697).
    safe_step : float
        Largest safe-step ratio of an update: those beyond are scaled down to it. It takes a forward derivative an
        update, nearly three times the time; 0: no limit.
    merge : str
        Checkpoints whose average is judged at the end beside the last one, with their weights, as `scaling merge` gives
        them: `2400:0.25 2800:0.5 3200:0.25`. Training is not touched.
    optimiser : {'adamw', 'sgd', 'muon', 'hyperball', 'momo', 'frugal'}
        How gradients change weights. `muon`, `hyperball` and `frugal` are for the matrices of blocks, AdamW learns the rest.
    loss_floor : float
        A lower bound of the loss, which `momo` steps towards.
    experts : int
        Feed-forward parts in every block, each four times as wide as the model; 1: a dense model. More have a router,
        biases that keep their loads even (2408.15664), and a column `max_vio` in the curve: largest load over the mean, less 1.
    top_k : int
        Experts that each byte passes.
    balance : float
        How far an update moves the bias of an expert that has more or less than its share to do; published with 1e-3.
    """

    schedule: str
    n_layer: int = 2
    d_model: int = 32
    n_head: int = 2
    context: int = 64
    batch: int = 32
    seed: int = 0
    data_seed: int = 0
    weight_decay: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.95
    clip: float = 1.0
    corpus: str = "python"
    vocab: int = 256
    eval_every: int = 50
    eval_tokens: int = 32_768
    val_tokens: int = 131_072
    n_encoder: int = 0
    qk_norm: bool = False
    z_loss: float = 0.0
    independent_decay: bool = False
    parametrization: str = "sp"
    base_width: int = 32
    base_depth: int = 2
    qat_bits: int = 0
    qat_from: int = 0
    probes: bool = False
    safe_step: float = 0.0
    merge: str = ""
    optimiser: str = "adamw"
    loss_floor: float = 0.0
    experts: int = 1
    top_k: int = 1
    balance: float = 1e-3

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kind, wanted = _KINDS[field.type]
            if not isinstance(value, kind) or (isinstance(value, bool) and field.type is not bool):
                raise TrainingError(f"{field.name} = {value!r}: must be {wanted}")
            if isinstance(value, Integral) and abs(int(value)) > 2**63:  # no float, no tensor, and maybe not to be printed
                raise TrainingError(f"{field.name} is a number of more than 19 digits: must be {wanted} below 2^63")
        # canonical text, so that two ways of writing one schedule are one spec
        text = make_schedule(self.schedule).text
        if text is None:
            raise TrainingError(
                f"schedule = {self.schedule!r}: a run is recorded with its schedule as text, and a file is none; "
                "write table:steps=...,at=...,rates=... or name:key=value,..."
            )
        object.__setattr__(self, "schedule", text)
        for names, (low, high) in _RANGES.items():
            for name in names.split():
                if not low <= getattr(self, name) < high:
                    below = "" if high == inf else f" and below {high}"
                    raise TrainingError(f"{name} = {getattr(self, name)}: must be {low} or more{below}")
        if not 1 <= self.top_k <= self.experts:
            raise TrainingError(f"top_k = {self.top_k}: must be 1 to experts = {self.experts}")
        if (held := self.params["n_params"]) > MOST_PARAMETERS:
            raise TrainingError(
                f"d_model = {self.d_model}, n_layer = {self.n_layer}: {held:.3g} parameters; a model has {MOST_PARAMETERS:.0e} "
                "at most, because it learns on one device\nchoose a smaller width or depth"
            )
        if self.d_model % self.n_head:
            raise TrainingError(
                f"d_model = {self.d_model} cannot be shared among n_head = {self.n_head} heads\n"
                f"choose n_head from {[h for h in range(1, self.d_model + 1) if self.d_model % h == 0]}"
            )
        for name in ("eval_tokens", "val_tokens"):
            if getattr(self, name) % self.context:
                raise TrainingError(f"{name} = {getattr(self, name)}: must be a multiple of context = {self.context}")
        if self.parametrization not in RULES:
            raise TrainingError(f"parametrization = {self.parametrization!r}: choose one of {', '.join(RULES)}")
        if self.optimiser not in OPTIMISERS:
            raise TrainingError(f"optimiser = {self.optimiser!r}: choose one of {', '.join(OPTIMISERS)}")
        if self.optimiser != "adamw" and self.parametrization != "sp":
            raise TrainingError(
                f"parametrization = {self.parametrization!r} says how AdamW's rates depend on width, and optimiser is "
                f"{self.optimiser!r}\nchoose 'sp', or 'adamw'"
            )
        if self.experts > 1 and (self.probes or self.safe_step):
            raise TrainingError(
                "probes and safe_step need a forward derivative, which torch has not for experts; leave one out"
            )
        if self.qat_bits not in (0, *range(2, 17)):
            raise TrainingError(f"qat_bits = {self.qat_bits}: must be 2 to 16, or 0 for full precision throughout")
        if self.merge:
            object.__setattr__(self, "merge", " ".join(f"{step}:{weight!r}" for step, weight in self.merged.items()))
        if not self.clip > 0:
            raise TrainingError(f"clip = {self.clip}: must be above 0")

    @property
    def shape(self) -> Shape:
        """The model's size, as the counting functions take it: the head is the embedding."""
        names = ("d_model", "n_layer", "n_head", "context", "n_encoder", "qk_norm", "vocab", "experts", "top_k")
        return Shape(**{name: getattr(self, name) for name in names}, tied=True)

    @property
    def params(self) -> dict[str, int]:
        """Counts of parameters by their column in `runs.csv`; the head is the embedding, which `n_params` holds once."""
        shape = self.shape
        sides = {"n_params_encoder": shape.encoder, "n_params_decoder": shape.decoder} if self.n_encoder else {}
        total = int(parameters(shape, "total_with_gains"))
        if self.experts > 1:
            sides["n_params_active"] = total - shape.idle
        return {
            "n_params": total,
            "n_params_nonemb": shape.blocks,
            "n_params_embedding": shape.embedding,
            "n_params_head": shape.head,
        } | sides

    @property
    def batch_tokens(self) -> int:
        """Tokens predicted in an update."""
        return self.batch * self.context

    @property
    def flops(self) -> int:
        """Of an update: matrix products with the head, causal attention."""
        return self.batch_tokens * int(flops_per_token(self.shape, "exact"))

    @cached_property
    def table(self) -> Schedule:
        """The schedule as a table, one rate for every update."""
        return make_schedule(self.schedule)

    @cached_property
    def updates(self) -> np.ndarray:
        """What makes one update differ from another: rate, decay and levels of a weight; shape (n_updates, 3).

        Runs that agree in all else and in the first rows of this table are one run until then.
        """
        rates = self.table.rates
        decay = self.weight_decay * (rates / self.table.peak if self.independent_decay else rates)
        levels = np.zeros(len(rates))
        if self.qat_bits:
            levels[self.qat_from :] = 2 ** (self.qat_bits - 1) - 1
        return np.column_stack([rates, decay, levels])

    @property
    def watched(self) -> tuple[str, ...]:
        """Columns that the curve has beside those of every run: means since its last row, of what each update says."""
        on = self.optimiser == "momo", self.safe_step, self.experts > 1
        return tuple(name for name, wanted in zip(WATCHED, on, strict=True) if wanted)

    @cached_property
    def merged(self) -> dict[int, float]:
        """The checkpoints of `merge` and their weights."""
        found: dict[int, float] = {}
        said = f"merge = {self.merge!r}"
        for part in self.merge.replace(",", " ").split():
            match = re.fullmatch(r"([0-9]{1,19}):([-+0-9.eE]+)", part)
            try:
                step, weight = int(match[1]), float(match[2])  # type: ignore[index]
            except (TypeError, ValueError):
                raise TrainingError(f"{said}: {part!r} is no checkpoint with its weight; write 2400:0.25 2800:0.75") from None
            if not max([0, *found]) < step <= self.table.steps:
                raise TrainingError(f"{said}: checkpoints rise, from 1 to the {self.table.steps} updates of the run")
            found[step] = weight
        if found and not abs(sum(found.values()) - 1) < 1e-4:
            raise TrainingError(f"{said}: weights of an average sum to 1, and these to {sum(found.values()):.6g}")
        return found

    @property
    def trunk(self) -> tuple[tuple[str, Any], ...]:
        """Equal for runs that train as one run for as long as their `updates` are equal."""
        free = ("schedule", "weight_decay", "independent_decay", "qat_bits", "qat_from", "eval_every", "probes", "merge")
        return tuple((key, value) for key, value in asdict(self).items() if key not in free)

    @property
    def kind(self) -> tuple[tuple[str, Any], ...]:
        """Equal for runs that may train side by side as members of one stacked model."""
        per_member = ("seed", "data_seed", "clip")
        return tuple(pair for pair in self.trunk if pair[0] not in per_member)

    @property
    def default_name(self) -> str:
        """Size, schedule and length, for example `d32-l2-wsd-2000`."""
        return f"d{self.d_model}-l{self.n_layer}-{self.schedule.split(':')[0]}-{self.table.steps}"

    def command(self, out_dir: str | Path, name: str) -> str:
        """The `scaling train` command line of this run, with every setting, so that defaults may change."""
        folder = Path(out_dir)
        if folder.is_absolute() and folder.is_relative_to(Path.cwd()):  # nothing of where on a machine a project lies
            folder = folder.relative_to(Path.cwd())
        options = [f"--{key.replace('_', '-')}={value}" for key, value in asdict(self).items()]
        return shlex.join(["scaling", "train", folder.as_posix(), f"--name={name}", *options])
