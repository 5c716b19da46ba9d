"""Tokens larger than a byte: byte-level byte-pair encoding, learned from the text that is learned from."""

import hashlib
import re
from itertools import chain
from typing import Any

import numpy as np

from scaling.errors import MissingExtra, TrainingDataError

BYTES = 256  # the vocabulary of those runs that need none: a token is a byte
# Words, in which merges stay: letters (every byte of a character beyond ASCII is one), digits, signs, each with the blank
# before it; the blanks before those but for the last; and the zero that closes a file. Every byte is in exactly one.
_WORD = re.compile(rb"\x00| ?[A-Za-z_\x80-\xff]+| ?[0-9]+| ?[^\x00A-Za-z0-9_ \t-\r\x80-\xff]+|[ \t-\r]+(?![^ \t-\r])|[ \t-\r]")


class Vocabulary:
    """Some tokens, and how text is divided into them; a token below 256 is that byte.

    `widths` are the bytes of each token, int64 (size,); `sha256` is over all tokens in their order.
    """

    def __init__(self, learned: Any, size: int):
        # the library works on characters: byte b is the character of that number, so any bytes can be read
        self._learned = learned
        tokens = [learned.id_to_token(i).encode("latin-1") for i in range(size)]
        self.widths = np.array([len(token) for token in tokens])
        self.sha256 = hashlib.sha256(b"".join(b"%d:%b" % (len(token), token) for token in tokens)).hexdigest()

    def encoded(self, text: np.ndarray) -> np.ndarray:
        """The tokens, int32 (n,), of a text, uint8."""
        words = _WORD.findall(text.tobytes())
        own = list(dict.fromkeys(words))
        found = self._learned.encode_batch([word.decode("latin-1") for word in own])
        tokens = {word: one.ids for word, one in zip(own, found, strict=True)}  # each word once: a tenth of the time
        return np.fromiter(chain.from_iterable(map(tokens.__getitem__, words)), np.int32)


_learned: dict[tuple[str, int], Vocabulary] = {}  # by hash of the text and size: a process trains many runs on one


def learn(text: np.ndarray, size: int) -> Vocabulary:
    """The vocabulary of `size` tokens that byte-pair encoding (1508.07909) learns from a text, uint8.

    Raises
    ------
    MissingExtra : the library `tokenizers` is not installed; TrainingDataError : the text has too few words for so many tokens.
    """
    key = hashlib.sha256(text.tobytes()).hexdigest(), size
    if key not in _learned:
        _learned[key] = _learn(text, size)
    return _learned[key]


def _learn(text: np.ndarray, size: int) -> Vocabulary:
    try:
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from tokenizers.trainers import BpeTrainer
    except ModuleNotFoundError:
        raise MissingExtra(
            "a vocabulary of more than 256 tokens needs tokenizers, which is not installed\n"
            "pip install 'scaling-laws[vocabulary]', or leave vocab at 256, where a token is a byte"
        ) from None
    learned = Tokenizer(BPE())
    alphabet = [chr(byte) for byte in range(BYTES)]
    trainer = BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    words = _WORD.findall(text.tobytes())
    learned.train_from_iterator((word.decode("latin-1") for word in words), trainer, length=len(words))
    if (most := learned.get_vocab_size()) < size:
        raise TrainingDataError(
            f"vocab = {size}: this text has pairs to merge for {most} tokens alone\n"
            f"set vocab to {most} or less, or take more text"
        )
    return Vocabulary(learned, size)
