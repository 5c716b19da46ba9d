"""What decides the numbers of one training run, and nothing else."""

import shlex
from dataclasses import asdict, dataclass
from functools import cached_property

from scaling.errors import TrainingError
from scaling.schedules import Schedule
from scaling.schedules import schedule as make_schedule
from scaling.training.counts import Shape


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """
    One run: model, data order, optimiser, schedule, and when it is evaluated.

    Two runs with equal specs on one machine write the same curve, byte for byte. Where the files go, the
    device and the number of threads are arguments of `train`.

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
        Bytes a sequence.
    batch : int
        Sequences an update.
    seed : int
        Of the initial weights.
    data_seed : int
        Of the order of the data.
    weight_decay : float
        Of AdamW; matrices and embeddings decay, gains do not.
    beta1 : float
        AdamW's memory of gradients.
    beta2 : float
        AdamW's memory of squared gradients.
    clip : float
        Largest global gradient norm; gradients above are scaled down to it.
    corpus : str
        `python` (sources of the running interpreter's standard library) or a folder of text files.
    eval_every : int
        Updates between two rows of the curve. Steps 1, 2, 4, .. come first; after the last step at the peak
        rate rows are five times denser, if that part is at most half of the run. Absolute, so that runs which
        share the start of their schedule also share rows.
    eval_tokens : int
        Bytes of validation text behind every row of the curve; a multiple of `context`.
    val_tokens : int
        Bytes of validation text behind the final loss; a multiple of `context`.
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
    eval_every: int = 50
    eval_tokens: int = 32_768
    val_tokens: int = 131_072

    def __post_init__(self) -> None:
        # canonical text, so that two ways of writing one schedule are one spec
        object.__setattr__(self, "schedule", make_schedule(self.schedule).text)
        for name in ("n_layer", "d_model", "n_head", "context", "batch", "eval_every"):
            if getattr(self, name) < 1:
                raise TrainingError(f"{name} = {getattr(self, name)}: must be 1 or more")
        for name in ("seed", "data_seed", "weight_decay"):
            if not getattr(self, name) >= 0:
                raise TrainingError(f"{name} = {getattr(self, name)}: must be 0 or more")
        if self.d_model % self.n_head:
            raise TrainingError(
                f"d_model = {self.d_model} cannot be shared among n_head = {self.n_head} heads\n"
                f"choose n_head from {[h for h in range(1, self.d_model + 1) if self.d_model % h == 0]}"
            )
        for name in ("eval_tokens", "val_tokens"):
            if getattr(self, name) < 1 or getattr(self, name) % self.context:
                raise TrainingError(f"{name} = {getattr(self, name)}: must be a multiple of context = {self.context}")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.clip > 0):
            raise TrainingError(
                f"beta1 = {self.beta1}, beta2 = {self.beta2}, clip = {self.clip}: "
                "the betas must lie in [0, 1), clip above 0"
            )

    @property
    def shape(self) -> Shape:
        """The model's size, as the counting functions take it."""
        return Shape(self.n_layer, self.d_model, self.n_head, self.context)

    @property
    def batch_tokens(self) -> int:
        """Bytes an update."""
        return self.batch * self.context

    @cached_property
    def table(self) -> Schedule:
        """The schedule as a table, one rate for every update."""
        return make_schedule(self.schedule)

    @property
    def default_name(self) -> str:
        """Size, schedule and length, for example `d32-l2-wsd-2000`."""
        return f"d{self.d_model}-l{self.n_layer}-{self.schedule.split(':')[0]}-{self.table.steps}"

    def command(self, out_dir: str, name: str) -> str:
        """The `scaling train` command line of this run, with every setting, so that defaults may change."""
        options = [f"--{key.replace('_', '-')}={value}" for key, value in asdict(self).items()]
        return shlex.join(["scaling", "train", str(out_dir), f"--name={name}", *options])
