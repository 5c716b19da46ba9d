"""Corpus, sampler and validation set."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.errors import TrainingError
from scaling.training.corpus import read_corpus, training_batch, validation_windows


def write_files(folder, n=30, length=200):
    for i in range(n):
        path = folder / f"part{i % 3}" / f"text{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(bytes(np.random.default_rng(i).integers(1, 256, length, np.uint8)))


def test_a_folder_is_split_by_file_and_hashed(tmp_path):
    write_files(tmp_path)
    corpus = read_corpus(str(tmp_path))
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
    before = read_corpus(str(tmp_path))
    write_files(tmp_path, n=31)
    after = read_corpus(str(tmp_path))
    assert set(before.validation.tobytes().split(b"\0")) <= set(after.validation.tobytes().split(b"\0"))


def test_python_sources_are_those_of_the_standard_library():
    corpus = read_corpus()
    text = corpus.train.tobytes() + corpus.validation.tobytes()
    assert len(corpus.train) > 5e6 and len(corpus.validation) > 2e5
    assert b"class OrderedDict" in text
    assert b"def pytest_addoption" not in text  # site-packages lie below the same folder


def test_a_corpus_that_cannot_serve_says_what_to_do(tmp_path):
    with pytest.raises(TrainingError, match="no such folder; give a folder of text files, or 'python'"):
        read_corpus(str(tmp_path / "absent"))
    (tmp_path / "one.txt").write_text("alone")
    with pytest.raises(TrainingError, match="cut the text into more files"):
        read_corpus(str(tmp_path))
    with pytest.raises(TrainingError, match="need 8 windows of 16 bytes, the text has 6"):
        validation_windows(np.zeros(100, np.uint8), 128, 16)


@given(seed=st.integers(0, 2**63), update=st.integers(0, 2**40))
def test_a_batch_is_a_pure_function_of_seed_and_update(seed, update):
    data = np.arange(1000).astype(np.uint8)
    batch = training_batch(data, update, batch=4, context=8, seed=seed)
    assert batch.shape == (4, 9)
    assert np.array_equal(batch, training_batch(data, update, batch=4, context=8, seed=seed))
    assert not np.array_equal(batch, training_batch(data, update + 1, batch=4, context=8, seed=seed))
    assert np.array_equal(np.diff(batch, axis=1), np.ones((4, 8)))  # contiguous text


def test_the_order_of_the_data_never_changes():
    starts = training_batch(np.arange(1 << 15), 7, batch=4, context=8, seed=3)[:, 0]
    assert starts.tolist() == [16204, 26360, 14115, 25727]


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
