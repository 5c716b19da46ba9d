"""What training programs print, written with numbers of our own: program -> text of a log, and what should be read from it."""

# ruff: noqa: E501 - programs print long lines

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

STEPS = range(20, 1001, 20)
TOTAL = 2000


def loss_at(step: float) -> float:
    return 2.2 + 4 * (step + 30) ** -0.35 + 0.004 * math.sin(step)


def rate_at(step: int) -> float:
    return 3e-3 * min(step / 100, 0.55 + 0.45 * math.cos(math.pi * max(0, step - 100) / (TOTAL - 100)))


def val_at(step: float) -> float:
    return loss_at(step) + 0.03


@dataclass(frozen=True)
class Log:
    """A log, and what it says: losses to a number of digits, by step."""

    text: str
    digits: int = 4  # behind the point
    facts: dict[str, float] = field(default_factory=dict)
    train: dict[int, float] = field(default_factory=lambda: {step: loss_at(step) for step in STEPS})
    val: dict[int, float] = field(default_factory=dict)
    lr: bool = True
    notes: tuple[str, ...] = ()  # beginnings of notes that must be there


EVALS = {step: val_at(step) for step in range(200, 1001, 200)}


def _lines(line: Callable[[int], str], evaluation: Callable[[int], str] | None = None, first: str = "") -> str:
    out = [first] if first else []
    for step in STEPS:
        if evaluation is not None and step in EVALS:
            out.append(evaluation(step))
        out.append(line(step))
    return "\n".join(out) + "\n"


def nanogpt() -> Log:
    text = _lines(
        lambda s: f"iter {s}: loss {loss_at(s):.4f}, time 301.20ms, mfu 17.10%",
        lambda s: f"step {s}: train loss {loss_at(s) + 0.01:.4f}, val loss {val_at(s):.4f}\nsaving checkpoint to out",
        "Overriding config with config/train_x.py:\nmax_iters = 2000\nlearning_rate = 3e-3\n\n"
        "tokens per iteration will be: 491,520\nfound vocab_size = 65 (inside data/x/meta.pkl)\n"
        "Initializing a new model from scratch\nnumber of parameters: 10.65M\n"
        "num decayed parameter tensors: 26, with 10,740,096 parameters",
    )
    return Log(
        text, val=EVALS, lr=False, facts={"batch_tokens": 491520, "n_params": 10.65e6, "vocab_size": 65, "max_steps": TOTAL}
    )


def build_nanogpt() -> Log:
    text = _lines(
        lambda s: (
            f"step {s:5d} | loss: {loss_at(s):.6f} | lr {rate_at(s):.4e} | norm: 0.2810 | dt: 330.05ms | tok/sec: 1588533.20"
        ),
        lambda s: (
            f"validation loss: {val_at(s):.4f}\nHellaSwag accuracy: 2451/10042=0.2441\nrank 0 sample 0: Hello, I'm a language"
        ),
        "using device: cuda\ntotal desired batch size: 524288\n=> calculated gradient accumulation steps: 1",
    )
    return Log(text, val=EVALS)


def build_nanogpt_file() -> Log:
    text = _lines(lambda s: f"{s} train {loss_at(s):.6f}", lambda s: f"{s} val {val_at(s):.4f}\n{s} hella 0.2444")
    return Log(text, val=EVALS, lr=False)


SOURCE = """import os
import sys
with open(sys.argv[0]) as f:
    code = f.read()  # read the code of this file ASAP, for logging
class Hyperparameters:
    num_iterations = 2000  # number of iterations to run
    learning_rate : float = 0.0036
    val_loss_every : int = 125
for step in range(args.num_iterations + 1):
    lr = 0.5 if step == 10 else 0.2
    print0(f"step:{step}/{args.num_iterations} val_loss:{val_loss:.4f} train_time:{ms:.0f}ms step_avg:{ms/max(step, 1):.2f}ms")
    # step:0/2000 is the first
"""


def speedrun(old: bool = False) -> Log:
    def line(s: int, kind: str = "", loss: float = 0.0) -> str:
        return f"step:{s}/{TOTAL} {f'{kind}_loss:{loss:.4f} ' * bool(kind)}train_time:{s * 95}ms step_avg:95.01ms"

    rows = _lines(lambda s: line(s, "train" * old, loss_at(s)), lambda s: line(s, "val", val_at(s)))
    text = SOURCE * 8 + "=" * 100 + "\nRunning Python 3.12.7\n" + rows + "peak memory allocated: 39000 MiB\n"
    train = {step: loss_at(step) for step in STEPS} if old else {}
    return Log(text, val=EVALS, train=train, lr=False, facts={"max_steps": TOTAL})


def speedrun_old() -> Log:
    return speedrun(old=True)


def nanochat() -> Log:
    text = _lines(
        lambda s: (
            f"step {s:05d}/{TOTAL:05d} ({100 * s / TOTAL:.2f}%) | loss: {loss_at(s):.6f} | grad norm: 0.4100 | lrm: 1.00 | "
            f"dt: 1053.20ms | tok/sec: 497,800 | mfu: 48.10 | total time: {s / 60:.2f}m"
        ),
        lambda s: f"Step {s:05d} | Validation bpb: {val_at(s) / 3.3:.4f}",
        "Vocab size: 65,536\nnum_layers: 20\nTokens / micro-batch / rank: 32 x 2048 = 65,536\n"
        "Total batch size 524,288 => gradient accumulation steps: 1\nNumber of parameters: 560,988,160\n"
        "Estimated FLOPs per token: 3.491758e+09",
    )
    facts = {"batch_tokens": 524288, "n_params": 560988160, "vocab_size": 65536, "max_steps": TOTAL}
    return Log(text, lr=False, facts=facts, notes=("nanochat prints a running mean",))


def llmc_file() -> Log:
    text = _lines(
        lambda s: f"s:{s} trl:{loss_at(s):.4f} lr:{rate_at(s):.6f} norm:0.40",
        lambda s: f"s:{s} tel:{val_at(s):.4f}\ns:{s} eval:0.2500",
    )
    return Log(text, val=EVALS)


def llmc_terminal() -> Log:
    text = _lines(
        lambda s: (
            f"step {s:4d}/{TOTAL} | loss {loss_at(s):.6f} (+0.21z)| norm 0.3841 (-0.10z)| lr {rate_at(s):.2e} | 3421.92 ms | "
            "52.1% bf16 MFU | 153213 tok/s"
            + (f"\nval loss {val_at(s):.6f}\nHellaSwag: 2451/10042 = 0.244075" if s in EVALS else "")
        ),
        None,
        "| Parameter             | Value        |\n| num_parameters        | 124475904    |\n| max_sequence_length T | 1024         |",
    )
    return Log(text, val=EVALS, facts={"n_params": 124475904, "max_steps": TOTAL})


def megatron() -> Log:
    text = _lines(
        lambda s: (
            f" [2025-03-01 10:00:20] iteration {s:8d}/{TOTAL:8d} | consumed samples: {512 * s:12d} | elapsed time per iteration (ms): "
            f"900.1 | throughput per GPU (TFLOP/s/GPU): 401.2 | learning rate: {rate_at(s):.6E} | global batch size:   512 | lm loss: "
            f"{loss_at(s):.6E} | loss scale: 1.0 | grad norm: 0.412 | number of skipped iterations:   0 | number of nan iterations:   0 |"
        ),
        lambda s: (
            "-" * 80 + f"\n validation loss at iteration {s} on validation set | lm loss value: {val_at(s):.6E} | "
            f"lm loss PPL: {math.exp(val_at(s)):.6E} |\n" + "-" * 80
        ),
        "------------------------ arguments ------------------------\n  global_batch_size ............................... 512\n"
        "  seq_length ...................................... 2048\n  train_iters ..................................... 2000\n"
        " > number of parameters on (tensor, pipeline) model parallel rank (0, 0): 1315819520",
    )
    facts = {"batch_size": 512, "context": 2048, "batch_tokens": 512 * 2048, "max_steps": TOTAL}
    return Log(text, val=EVALS, facts=facts)


def nemo() -> Log:
    def line(s: int) -> str:
        seen = [at for at in EVALS if at <= s]
        val = f" | val_loss: {EVALS[max(seen)]:.4f}" if seen else ""
        return (
            f"[NeMo I 2025-03-01 10:00:20 nemo_logging:393] Training epoch 0, iteration {s}/{TOTAL - 1} | lr: {rate_at(s):.4g} | "
            f"global_batch_size: 512 | global_step: {s} | reduced_train_loss: {loss_at(s):.4f} | train_step_timing in s: 0.912 | "
            f"consumed_samples: {512 * (s + 1)}{val}"
        )

    return Log(_lines(line), val=EVALS, facts={"batch_size": 512})


def nemo_bar() -> Log:
    bar = "\r".join(
        f"Epoch 0: :   1%|1         | {s}/{TOTAL} [00:20<33:00, v_num=0, reduced_train_loss={loss_at(s):.4f}, global_step={s}.00, "
        f"consumed_samples={512 * s}.0, train_step_timing in s=0.912]"
        for s in STEPS
    )
    return Log("[NeMo W] a warning\n" + bar + "\n", lr=False)


def torchtitan(ranks: int = 1) -> Log:
    def line(s: int) -> str:
        return "\n".join(
            f"[rank{rank}]:[titan] 2026-01-05 10:00:20,102 - root - INFO - \x1b[31mstep: {s:2}  \x1b[32mloss: {loss_at(s):8.5f}  "
            f"\x1b[38;2;180;60;0mgrad_norm:  0.80{rank}9  \x1b[36mmemory:  9.46GiB(64.99%)  \x1b[34mtps: 7,28{rank}  "
            "\x1b[36mtflops: 10.05  \x1b[35mmfu: 0.17%\x1b[39m"
            for rank in range(ranks)
        )

    text = _lines(
        line,
        lambda s: (
            f"[rank0]:[titan] 2026-01-05 10:00:20,102 - root - INFO - \x1b[33mvalidate step: {s}  \x1b[32mloss: {val_at(s):8.5f}  tps: 1,001"
        ),
        "[titan] 2026-01-05 10:00:00,001 - root - INFO - Model llama3 debugmodel size: 6,139,136 total parameters\n"
        "[titan] 2026-01-05 10:00:00,001 - root - INFO - Trainer is initialized with local batch size 8, global batch size 64, "
        "gradient accumulation steps 1, sequence length 2048, total steps 2000 (warmup 200)",
    )
    facts = {"n_params": 6139136, "batch_tokens": 131072, "batch_size": 64, "context": 2048, "max_steps": TOTAL}
    return Log(text, val=EVALS, lr=False, facts=facts, notes=("train_loss is written by 4 ranks",) if ranks > 1 else ())


def nanotron() -> Log:
    text = _lines(
        lambda s: (
            f"01/05/2026 10:00:20 [INFO|DP=0|PP=0|TP=0|ip-26-0-1-1]: iteration: {s} / {TOTAL} | consumed_tokens: {1.05 * s:.3g}M | "
            f"elapsed_time_per_iteration_ms: 1.2K | tokens_per_sec: 848K | tokens_per_sec_per_gpu: 26.5K | global_batch_size: 512 | "
            f"lm_loss: {loss_at(s):.3g} | lr: {rate_at(s):.3g} | model_tflops_per_gpu: 14 | grad_norm: 0.68 | cuda_max_memory_reserved: 5.1G"
        ),
        None,
        "01/05/2026 10:00:20 [INFO|DP=0|PP=0|TP=0|ip-26-0-1-1]: Total number of parameters: 1.04G (1984.26MiB). Local number of "
        "parameters: 1.04G (1984.26MiB)",
    )
    return Log(
        text,
        digits=2,
        facts={"max_steps": TOTAL, "batch_size": 512, "n_params": 1.04e9},
        notes=("train_loss is printed to 0.01", "tokens are printed to three digits"),
    )


def torchtune() -> Log:
    text = _lines(
        lambda s: f"Step {s} | loss:{loss_at(s)} lr:{rate_at(s)} tokens_per_second_per_gpu:1234.5 grad_norm:0.41 ",
        lambda s: f"Step {s} | val_loss:{val_at(s)} ",
    )
    return Log(text, digits=12, val=EVALS)


def maxtext() -> Log:
    text = _lines(
        lambda s: (
            f"completed step: {s}, seconds: 2.111, TFLOP/s/device: 160.214, Tokens/s/device: 1941.239, total_weights: 65536, "
            f"loss: {loss_at(s):.3f}"
        ),
        lambda s: f"eval metrics after step: {s}, loss={val_at(s):.3f}, total_weights=65536.0",
        "Config param learning_rate: 3e-05\nConfig param steps: 2000\nnumber parameters: 1.104 billion",
    )
    return Log(
        text,
        digits=3,
        val=EVALS,
        lr=False,
        facts={"max_steps": TOTAL, "n_params": 1.104e9},
        notes=("train_loss is printed to 0.001",),
    )


def deepspeed() -> Log:
    text = _lines(
        lambda s: (
            f"[2025-01-01 10:00:20,000] [INFO] [logging.py:96:log_dist] [Rank 0] step={s}, skipped=0, lr=[{rate_at(s)}, {rate_at(s)}], "
            f"mom=[(0.9, 0.95)]\nsteps: {s} loss: {loss_at(s):.4f} iter time (s): 0.512 samples/sec: 500.001"
        )
    )
    return Log(text)


def fairseq() -> Log:
    bits = 1 / math.log(2)
    text = (
        _lines(
            lambda s: (
                f"2021-01-01 10:00:20 | INFO | train_inner | epoch 001:    {s} / 5000 loss={loss_at(s) * bits:.3f}, ppl=676.4, wps=29000, "
                f"ups=3.4, wpb=8500.1, bsz=16, num_updates={s}, lr={rate_at(s):.6g}, gnorm=3.1, train_wall=30, wall=40"
            ),
            lambda s: (
                f"2021-01-01 10:00:20 | INFO | valid | epoch 001 | valid on 'valid' subset | loss {val_at(s) * bits:.3f} | ppl 34.2 | "
                f"wps 90000 | wpb 2000 | bsz 4 | num_updates {s} | best_loss 5.1"
            ),
            "2021-01-01 10:00:20 | INFO | fairseq_cli.train | num. shared model params: 124,439,808 (num. trained: 124,439,808)",
        )
        + "2021-01-01 10:00:20 | INFO | train | epoch 001 | loss 6.5 | ppl 90 | wps 29000 | num_updates 1000 | lr 0.0001 | gnorm 3\n"
    )
    return Log(
        text, digits=3, val=EVALS, facts={"n_params": 124439808}, notes=("losses are in bits", "train_loss is printed to 0.001")
    )


def fairseq_json() -> Log:
    bits = 1 / math.log(2)

    def said(kind: str, record: dict[str, object]) -> str:
        return f"2021-01-01 10:00:20 | INFO | {kind} | {json.dumps(record)}"

    text = (
        _lines(
            lambda s: said(
                "train_inner",
                {
                    "epoch": 1,
                    "update": 0.01,
                    "loss": f"{loss_at(s) * bits + 0.2:.3f}",
                    "nll_loss": f"{loss_at(s) * bits:.3f}",
                    "ppl": "676.4",
                    "num_updates": f"{s}",
                    "lr": f"{rate_at(s):.6g}",
                    "gnorm": "3.1",
                },
            ),
            lambda s: said(
                "valid",
                {
                    "epoch": 1,
                    "valid_loss": f"{val_at(s) * bits + 0.2:.3f}",
                    "valid_nll_loss": f"{val_at(s) * bits:.3f}",
                    "valid_ppl": "34.2",
                    "valid_num_updates": f"{s}",
                    "valid_best_loss": "5.1",
                },
            ),
        )
        + said("train", {"epoch": 1, "train_loss": "6.5", "train_num_updates": "1000", "train_lr": "0.0001"})
        + "\n"
    )
    return Log(text, digits=3, val=EVALS, notes=("losses are in bits",))


def olmo() -> Log:
    text = _lines(
        lambda s: (
            f"2024-05-01 10:00:20.123\thost:0\tolmo.train:967\tINFO\t[step={s}/{TOTAL},epoch=0]\n    optim/total_grad_norm=0.4123\n"
            f"    optim/learning_rate_group0={rate_at(s):.6f}\n    train/CrossEntropyLoss={loss_at(s):.3f}\n    train/Perplexity={math.exp(loss_at(s)):.2f}\n"
            f"    throughput/total_tokens={4194304 * s:,d}\n    throughput/device/tokens_per_second=9,001\n    System/Peak GPU Memory (MB)=39,001"
            + (
                f"\n2024-05-01 10:00:20.123\thost:0\tolmo.train:1001\tINFO\teval/all\n    eval/pile/CrossEntropyLoss={val_at(s):.3f}\n    eval/pile/Perplexity=17.01"
                if s in EVALS
                else ""
            )
        )
    )
    return Log(text, digits=3, val=EVALS, facts={"max_steps": TOTAL}, notes=("train_loss is printed to 0.001",))


def olmo_core() -> Log:
    text = _lines(
        lambda s: (
            f"2025-05-01 10:00:20.123\thost:0\tolmo_core.train.callbacks.console_logger:87\tINFO\t[step={s}/{TOTAL:,d},epoch=1,eta=2 hours]\n"
            f"    optim/LR (group 0)={rate_at(s):.6f}\n    optim/total grad norm=0.4123\n    throughput/total tokens={4194304 * s:,d}\n"
            f"    train/CE loss={loss_at(s):.3f}\n    train/PPL={math.exp(loss_at(s)):.2f}"
        )
    )
    return Log(text, digits=3, facts={"max_steps": TOTAL}, notes=("train_loss is printed to 0.001",))


def litgpt() -> Log:
    def line(s: int) -> str:
        seen = [at for at in EVALS if at <= s]
        val = f"{EVALS[max(seen)]:.3f}" if seen else "n/a"
        return f"Epoch 1 | iter {4 * s} step {s} | loss train: {loss_at(s):.3f}, val: {val} | iter time: 301.20 ms (step) remaining time: 1:00:00"

    return Log(_lines(line), digits=3, val=EVALS, lr=False, notes=("train_loss is printed to 0.001",))


def composer() -> Log:
    text = _lines(
        lambda s: (
            f"[batch={s}/{TOTAL}]:\n\t Train time/batch: {s - 1}\n\t Train time/token: {1048576 * s}\n\t Train loss/train/total: {loss_at(s):.4f}\n"
            f"\t Train metrics/train/LanguageCrossEntropy: {loss_at(s):.4f}\n\t Train lr-DecoupledAdamW/group0: {rate_at(s):.6f}"
            + (
                f"\n[Eval batch=1/20] Eval on eval data:\n\t Eval metrics/eval/LanguageCrossEntropy: {val_at(s):.4f}"
                if s in EVALS
                else ""
            )
        )
    )
    return Log(text, val=EVALS, facts={"max_steps": TOTAL})


def hugging_face_bar() -> Log:
    """Records between the bars of tqdm, which is drawn late before a record and anew after it; evaluations have bars too."""

    def bar(s: int, total: int = TOTAL) -> str:
        return f"\r{100 * s // total:3d}%|{'█' * (10 * s // total):10}| {s}/{total} [00:10<10:00,  1.20it/s]"

    def line(s: int) -> str:
        record = f"{{'loss': {loss_at(s):.4f}, 'grad_norm': 0.41, 'learning_rate': {rate_at(s)!r}, 'epoch': {s / 9e4:.2f}}}"
        return f"{bar(max(0, s - 3))}\r{' ' * 60}\r{record}\n{bar(s)}"

    def evaluation(s: int) -> str:
        return f"{bar(3, 9)}{bar(9, 9)}\r{' ' * 60}\r{{'eval_loss': {val_at(s):.4f}, 'eval_runtime': 2.0, 'epoch': {s / 9e4:.2f}}}\n{bar(s)}"

    text = "Map: 100%|██████████| 999/999 [00:01<00:00, 870.1 examples/s]\n" + _lines(line, evaluation)
    return Log(text, val=EVALS, facts={"max_steps": TOTAL}, notes=("drawn after each record",))


def anybody() -> Log:
    text = _lines(
        lambda s: (
            f"2025-01-01 10:00:20,123 - __main__ - INFO - lr={rate_at(s):.6f} aux loss=0.01 Loss={loss_at(s):.4f} Step={s}/{TOTAL} it/s=3.1"
        ),
        lambda s: f"2025-01-01 10:00:20,123 - __main__ - INFO - step {s}: eval loss = {val_at(s):.4f}",
    )
    return Log(text, val=EVALS, facts={"max_steps": TOTAL})


PROGRAMS: dict[str, Callable[[], Log]] = {
    make.__name__: make
    for make in (
        nanogpt, build_nanogpt, build_nanogpt_file, speedrun, speedrun_old, nanochat, llmc_file, llmc_terminal, megatron, nemo, nemo_bar,
        torchtitan, nanotron, torchtune, maxtext, deepspeed, fairseq, fairseq_json, olmo, olmo_core, litgpt, composer,
        hugging_face_bar, anybody,
    )
}  # fmt: skip
