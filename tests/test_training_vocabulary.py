# ruff: noqa: E402  (imports follow the check that torch is there)
"""Tokens larger than a byte: what is learned, how text is divided, and a loss that never holds all logits."""

import csv
import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra scaling-laws[train]")
pytest.importorskip("tokenizers", reason="vocabularies need the extra scaling-laws[vocabulary]")
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

import scaling
from scaling.errors import MissingExtra, TrainingDataError, TrainingError
from scaling.training import RunSpec, group, losses, records, train, vocabulary
from scaling.training.corpus import Corpus, Source, read_corpus, validation_windows
from scaling.training.grid import read_sweep
from scaling.training.probes import Bench
from scaling.training.stack import Stack
from tests.tiny import text_in

TINY = {
    "n_layer": 1, "d_model": 8, "n_head": 1, "context": 16, "batch": 4, "eval_every": 10,
    "eval_tokens": 256, "val_tokens": 512,
}  # fmt: skip


def as_bytes(text):
    return np.frombuffer(text, np.uint8)


def merges_of(learned):
    said = json.loads(learned._learned.to_str())["model"]["merges"]
    return [tuple(part.encode("latin-1") for part in pair) for pair in said]


def divided(word, merges):
    """Byte-pair encoding as it is defined: the earliest merge that can be done is done, everywhere, until none can."""
    parts = [bytes([b]) for b in word]
    while True:
        pairs = [(merges.index(pair), pair) for pair in pairwise(parts) if pair in merges]
        if not pairs:
            return parts
        _, (a, b) = min(pairs)
        i, merged = 0, []
        while i < len(parts):
            both = parts[i : i + 2] == [a, b]
            merged.append(a + b if both else parts[i])
            i += 2 if both else 1
        parts = merged


def test_the_first_merge_is_the_pair_that_comes_most_often_and_no_merge_crosses_words():
    text = b"low lower lowest\nslow low 1000 1000\0" * 9
    learned = vocabulary.learn(as_bytes(text), 262)
    words = [b"low", b" lower", b" lowest", b"\n", b"slow", b" low", b" 1000", b" 1000", b"\0"]
    pairs = Counter(pair for word in words for pair in pairwise(bytes([b]) for b in word))
    most = {pair for pair, count in pairs.items() if count == max(pairs.values())}
    merges = merges_of(learned)
    assert merges[0] in most and len(merges) == 6
    assert all(any(a + b in word for word in words) for a, b in merges)
    assert learned.widths[:256].tolist() == [1] * 256
    assert learned.widths[256:].tolist() == [len(a + b) for a, b in merges]


def test_any_bytes_are_divided_as_byte_pair_encoding_says_and_come_back():
    rng = np.random.default_rng(0)
    strange = rng.integers(0, 256, 3000).astype(np.uint8).tobytes()  # no UTF-8, blanks of all kinds, zeros
    russian = "Слово за словом, и ещё одно слово.\n".encode() * 40
    text = strange + russian + b"def f(x_1):\n    return  x_1 + 1000\0" * 60
    learned = vocabulary.learn(as_bytes(text), 400)
    merges = merges_of(learned)
    tokens = [bytes([b]) for b in range(256)] + [a + b for a, b in merges]
    ids = learned.encoded(as_bytes(text))
    assert b"".join(tokens[i] for i in ids) == text
    assert learned.widths[ids].sum() == len(text)
    words = vocabulary._WORD.findall(text)
    assert b"".join(words) == text and b" x_" in words and b"\n   " in words and b" return" in words
    assert "ещё".encode() in b"|".join(words) and not any(0 < word.count(b"\0") < len(word) for word in words)
    expected = [part for word in words for part in divided(word, merges)]
    assert [tokens[i] for i in ids] == expected
    other = as_bytes(b"\xff\xfeanother text, never seen\0")
    assert b"".join(tokens[i] for i in learned.encoded(other)) == other.tobytes()


def test_learning_again_gives_the_same_tokens(monkeypatch):
    text = as_bytes("".join(np.random.default_rng(1).choice(["if ", "elif ", "return ", "x = "], 3000)).encode())
    first = vocabulary.learn(text, 265)
    assert vocabulary.learn(text, 265) is first  # of this process
    monkeypatch.setattr(vocabulary, "_learned", {})
    again = vocabulary.learn(text, 265)
    assert again is not first and again.sha256 == first.sha256
    assert vocabulary.learn(text, 266).sha256 != first.sha256


def test_what_cannot_be_learned_is_said(tmp_path, monkeypatch):
    text = text_in(tmp_path / "text")
    with pytest.raises(
        TrainingDataError, match=r"vocab = 5000: this text has pairs to merge for (\d+) tokens alone\nset vocab to \1"
    ):
        read_corpus(str(text), 5000)
    with pytest.raises(TrainingError, match="vocab = 255: must be 256 or more and below 65537"):
        RunSpec(schedule="constant:peak=1,steps=1", vocab=255)
    (tmp_path / "bad.toml").write_text('[axes]\nvocab = [300, "many"]\nschedule = "constant:peak=1,steps=1"\n')
    with pytest.raises(TrainingDataError, match="run many: vocab = 'many': must be a whole number"):
        read_sweep(tmp_path / "bad.toml")
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    monkeypatch.setattr(vocabulary, "_learned", {})
    with pytest.raises(MissingExtra, match=r"scaling-laws\[vocabulary\]"):
        read_corpus(str(text), 270)


def head(rows=37, vocab=53, d=6, members=2, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(members, rows, d, generator=generator).to(dtype).requires_grad_()
    table = torch.randn(members, vocab, d, generator=generator).to(dtype).requires_grad_()
    return x, table, torch.randint(vocab, (members, rows), generator=generator)


@pytest.mark.parametrize("z_loss", [0.0, 0.3])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_chunked_loss_is_the_plain_one(monkeypatch, z_loss, dtype, near):
    """With its gradients; chunks of 5 rows do not divide the 37, and members are weighed apart."""
    monkeypatch.setattr(losses, "CELLS", 5 * 53)
    x, table, wanted = head(dtype=dtype)
    weigh = torch.tensor([1.0, -2.5], dtype=dtype)
    logits = x @ table.transpose(1, 2)
    plain = F.cross_entropy(logits.flatten(0, 1), wanted.flatten(), reduction="none").view(2, -1).mean(dim=1)
    penalty = z_loss * logits.logsumexp(dim=2).square().mean(dim=1)
    expected = torch.autograd.grad(((plain + penalty) * weigh).sum(), (x, table))
    total, loss, z = losses.ChunkedCrossEntropy.apply(x, table, wanted, z_loss)
    found = torch.autograd.grad((total * weigh).sum(), (x, table))
    close = {"rtol": near, "atol": near}
    torch.testing.assert_close(loss, plain, **close)
    torch.testing.assert_close(z, penalty, **close)
    torch.testing.assert_close(total, plain + penalty, **close)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, **close)


class Largest(TorchDispatchMode):
    """Remembers the number of elements of the largest tensor that any operation made."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for one in made if isinstance(made, (tuple, list)) else (made,):
            if torch.is_tensor(one):
                self.largest = max(self.largest, one.numel())
        return made


def test_a_large_vocabulary_never_holds_all_logits(monkeypatch):
    spec = RunSpec(schedule="constant:peak=1e-3,steps=3", vocab=8192, n_layer=1, d_model=8, n_head=1, context=32, batch=32)
    monkeypatch.setattr(losses, "CELLS", 2**16)
    text = np.random.default_rng(0).integers(0, 8192, 4000).astype(np.int32)
    held = {}
    for kind, plain in (("chunked", 4096), ("plain", 8192)):
        monkeypatch.setattr(losses, "PLAIN", plain)
        stack = Stack(spec, 1, 3, text, torch.device("cpu"))
        stack.start(0, spec)
        with Largest() as seen:
            found = stack.advance(np.random.default_rng(0).integers(0, 3900, (3, 1, 32)))
            losses.judged_losses(stack.model, stack.weights, torch.from_numpy(text[:1056].reshape(1, 32, 33)).long())
        held[kind] = seen.largest, found
    assert held["plain"][0] == 32 * 32 * 8192
    assert held["chunked"][0] <= stack.model.n_params  # beside which a chunk is small
    np.testing.assert_allclose(held["chunked"][1].train, held["plain"][1].train, rtol=1e-6)


def test_losses_a_token_and_a_byte_are_logged_apart(tmp_path):
    text = str(text_in(tmp_path / "text"))
    schedule = "wsd:peak=1e-2,warmup=10,steps=60,decay=0.5"
    record = train(RunSpec(schedule=schedule, corpus=text, vocab=270, **TINY), tmp_path, name="run", device="cpu")
    plain = train(RunSpec(schedule=schedule, corpus=text, **TINY), tmp_path, name="plain", device="cpu")
    corpus = read_corpus(text, 270)
    (source,) = corpus.sources
    few, many = (validation_windows(source.validation, tokens, 16)[:, 1:] for tokens in (256, 512))
    rows = list(csv.DictReader((tmp_path / "curves" / "run.csv").read_text().splitlines()))
    for row in rows:
        assert float(row["val_loss_byte"]) == pytest.approx(
            float(row["val_loss"]) / corpus.vocabulary.widths[few].mean(), rel=1e-7
        )
        updates = range(int(row["step"]) - int(row["train_window"]), int(row["step"]))
        read = [source.train[at + 1 : at + 17] for u in updates for at in corpus.places(u, TINY["batch"], 17, 0)]
        assert float(row["train_loss_byte"]) == pytest.approx(
            float(row["train_loss"]) / corpus.vocabulary.widths[np.concatenate(read)].mean(), rel=1e-7
        )
    assert record["final_loss_byte"] == pytest.approx(record["final_loss"] / corpus.vocabulary.widths[many].mean(), rel=1e-12)
    counts = np.bincount(source.train, minlength=270) + 1
    assert record["unigram_loss"] == pytest.approx(-np.log(counts / counts.sum())[many].mean(), rel=1e-12)
    assert 1.5 < record["bytes_per_token"] == pytest.approx(plain["train_bytes"] / len(source.train))
    assert record["train_bytes"] == plain["train_bytes"] and record["validation_bytes"] == plain["validation_bytes"]
    assert record["n_params"] - plain["n_params"] == 14 * 8 and record["vocab"] == 270
    assert record["unigram_loss"] < math.log(270)
    assert "loss_byte" not in (tmp_path / "curves" / "plain.csv").read_text()
    assert not {"final_loss_byte", "unigram_loss", "vocabulary_sha256"} & plain.keys()
    frame = scaling.read(tmp_path).frame
    for loss in "val_loss", "train_loss":
        assert frame.loc[frame["run"] == "run", loss].iloc[-1] == pytest.approx(float(rows[-1][loss]))


def test_a_mixture_has_one_vocabulary_and_weighs_its_losses_a_byte(tmp_path):
    text, other = text_in(tmp_path / "text"), tmp_path / "digits"
    other.mkdir()
    for i in range(30):
        (other / str(i)).write_text("".join(np.random.default_rng(i).choice([*"0123456789"], 600)))
    judged = read_corpus(f"1 {text} + 0 {other}", 272)
    assert judged.vocabulary.sha256 == read_corpus(str(text), 272).vocabulary.sha256  # only from what is learned from
    assert len(judged.sources[1].train) == judged.bytes_of(judged.sources[1].train)
    mixed = RunSpec(schedule="constant:peak=1e-2,steps=20", corpus=f"0.5 {text} + 0.5 {other}", vocab=272, **TINY)
    record = train(mixed, tmp_path, name="mixed", device="cpu")
    corpus, total = read_corpus(mixed.corpus, 272), 0.0
    for source in corpus.sources:
        width = corpus.width(validation_windows(source.validation, 512, 16), 16)
        total += 0.5 * record[f"val_loss_{source.name.rsplit('/', 1)[1]}"] / width
    assert record["final_loss_byte"] == pytest.approx(total, rel=1e-12)


def test_another_vocabulary_is_not_gone_on_with(tmp_path, monkeypatch):
    def stop(self):
        save(self)
        raise KeyboardInterrupt

    text, save = str(text_in(tmp_path / "text")), group.Group._save
    spec = RunSpec(schedule="constant:peak=1e-2,steps=20", corpus=text, vocab=270, **TINY)
    with monkeypatch.context() as patch:
        patch.setattr(group.Group, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, name="run", device="cpu")
    learned = vocabulary.learn(read_corpus(text).text, 270)
    with monkeypatch.context() as patch:
        patch.setattr(learned, "sha256", "other")  # as another version of the library might have it
        with pytest.raises(TrainingDataError, match=r"vocabulary_sha256 was '.*', is 'other'"):
            train(spec, tmp_path, name="run", device="cpu")
    assert train(spec, tmp_path, name="run", device="cpu")["status"] == "finished"


def test_a_curve_that_an_older_version_began_keeps_its_columns(tmp_path, monkeypatch):
    def stop(self):
        save(self)
        if any(lane.step >= 8 for lane in self.lanes):
            raise KeyboardInterrupt

    text, save = str(text_in(tmp_path / "text")), group.Group._save
    spec = RunSpec(schedule="constant:peak=1e-2,steps=20", corpus=text, vocab=270, **TINY)
    with monkeypatch.context() as patch:
        patch.setattr(records, "WITH_VOCABULARY", ("val_loss_byte",))
        train(spec, tmp_path, name="old", device="cpu")
        patch.setattr(group.Group, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            train(spec, tmp_path, name="run", device="cpu", checkpoint_seconds=0.0)
    train(spec, tmp_path, name="run", device="cpu")
    assert (tmp_path / "curves" / "run.csv").read_bytes() == (tmp_path / "curves" / "old.csv").read_bytes()


def test_a_bench_reads_the_tokens_of_its_run(tmp_path):
    text = str(text_in(tmp_path / "text"))
    spec = RunSpec(schedule="constant:peak=1e-2,steps=20", corpus=text, vocab=270, **TINY)
    with pytest.raises(TrainingError, match="vocab = 270, and the corpus is written in 256 tokens: read it with"):
        Bench(spec, read_corpus(text))
    bench = Bench(spec, read_corpus(text, 270))
    losses_of = bench.train(20).train[0]
    assert losses_of[0] == pytest.approx(math.log(270), abs=0.1) and losses_of[-1] < losses_of[0] - 0.5


def test_a_source_too_short_in_tokens_says_so():
    text = as_bytes(b"abababab" * 50)
    learned = vocabulary.learn(text, 258)
    corpus = Corpus((Source("short", 1.0, learned.encoded(text), text, 1, "short"),), learned)
    with pytest.raises(TrainingDataError, match="one sequence needs 300 tokens, the training files have"):
        corpus.require(300)
