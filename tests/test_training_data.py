"""Corpus, sampler and validation set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import TrainingError
from scaling.training.corpus import Corpus, Source, read_corpus, shares, validation_windows


def write_files(folder, n=30, length=200):
    for i in range(n):
        path = folder / f"part{i % 3}" / f"text{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(np.random.default_rng(i).integers(1, 256, length, np.uint8)))


def test_a_folder_is_split_by_file_and_hashed(tmp_path):
    write_files(tmp_path)
    (corpus,) = read_corpus(str(tmp_path)).sources
    assert corpus.n_files == 30
    assert len(corpus.train) + len(corpus.validation) == 30 * 201
    for side in (corpus.train, corpus.validation):  # whole files only, each closed by a zero byte
        assert np.array_equal(np.flatnonzero(side == 0) % 201, np.full(len(side) // 201, 200))
    assert read_corpus(str(tmp_path)).sha256 == corpus.sha256

    first = tmp_path / "part0" / "text0.txt"
    first.write_bytes(first.read_bytes()[:-1] + b"x")
    assert read_corpus(str(tmp_path)).sha256 != corpus.sha256


def test_a_new_file_leaves_the_side_of_the_others(tmp_path):
    write_files(tmp_path, n=30)
    (before,) = read_corpus(str(tmp_path)).sources
    write_files(tmp_path, n=31)
    (after,) = read_corpus(str(tmp_path)).sources
    assert set(before.validation.tobytes().split(b"\0")) <= set(after.validation.tobytes().split(b"\0"))


def test_python_sources_are_those_of_the_standard_library():
    (corpus,) = read_corpus().sources
    text = corpus.train.tobytes() + corpus.validation.tobytes()
    assert len(corpus.train) > 5e6 and len(corpus.validation) > 2e5
    assert b"class OrderedDict" in text
    assert b"def pytest_addoption" not in text  # site-packages lie below the same folder


def test_a_corpus_that_cannot_serve_says_what_to_do(tmp_path):
    with pytest.raises(TrainingError, match="no such folder; give a folder of text files, 'python' or 'headers'"):
        read_corpus(str(tmp_path / "absent"))
    (tmp_path / "one.txt").write_text("alone")
    with pytest.raises(TrainingError, match="cut the text into more files"):
        read_corpus(str(tmp_path))
    with pytest.raises(TrainingError, match="need 8 windows of 16 tokens, the text has 6"):
        validation_windows(np.zeros(100, np.uint8), 128, 16)


def source(name, share, length):
    return Source(name, share, np.zeros(length, np.uint8), np.zeros(9, np.uint8), 1, name)


ONE = Corpus((source("one", 1.0, 1000),))


@given(seed=st.integers(0, 2**63), update=st.integers(0, 2**40))
def test_a_batch_is_a_pure_function_of_seed_and_update(seed, update):
    places = ONE.places(update, batch=4, span=9, seed=seed)
    assert places.shape == (4,) and places.min() >= 0 and places.max() <= 1000 - 9
    assert np.array_equal(places, ONE.places(update, batch=4, span=9, seed=seed))
    assert not np.array_equal(places, ONE.places(update + 1, batch=4, span=9, seed=seed))


def test_the_order_of_the_data_never_changes():
    corpus = Corpus((source("one", 1.0, 1 << 15),))
    assert corpus.places(7, batch=4, span=9, seed=3).tolist() == [16204, 26360, 14115, 25727]


def test_a_mixture_reads_its_sources_by_share_and_across_no_border():
    corpus = Corpus((source("a", 0.7, 300), source("judged", 0.0, 50), source("b", 0.3, 200)))
    corpus.require(60)  # too long for the source that is only judged
    assert len(corpus.text) == 500
    places = np.concatenate([corpus.places(i, batch=100, span=60, seed=1) for i in range(100)])
    of_a = places[places < 300]
    assert len(of_a) / len(places) == pytest.approx(0.7, abs=0.015)
    assert of_a.max() == 300 - 60 and places.max() == 500 - 60
    with pytest.raises(TrainingError, match="corpus 'b': one sequence needs 201 bytes, the training files have 200"):
        corpus.require(201)


def test_mixtures_are_written_with_shares():
    assert shares("python") == [("python", 1.0)]
    assert shares("my notes/") == [("my notes/", 1.0)]
    assert shares("0.75 python + .25 my notes/ + 0 headers") == [("python", 0.75), ("my notes/", 0.25), ("headers", 0.0)]
    for wrong in ("0.5 python + 0.4 headers", "0.5 python + headers", "0.5 python + 0.5 python"):
        with pytest.raises(TrainingError, match="shares that sum to 1"):
            shares(wrong)


@given(windows=st.integers(1, 40), context=st.integers(1, 9), extra=st.integers(0, 200))
def test_validation_windows_predict_no_byte_twice_and_reach_across_the_text(windows, context, extra):
    data = np.arange(windows * context + 1 + extra) % 251
    positions = validation_windows(np.arange(len(data)), windows * context, context)
    assert positions.shape == (windows, context + 1)
    targets = positions[:, 1:].ravel()
    assert len(np.unique(targets)) == windows * context
    assert np.array_equal(positions[:, 1:], positions[:, :-1] + 1)
    gaps = np.diff(positions[:, 0])
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= context
