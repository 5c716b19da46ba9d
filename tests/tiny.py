"""What tests of training share: a text of few words, a tree of four tiny runs, and an executor that does its work at once."""

from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np

TREE = """
[base]
n_layer = 1
n_head = 1
d_model = 8
context = 16
batch = 4
eval_every = {eval_every}
eval_tokens = 256
val_tokens = 512
corpus = "{corpus}"
[axes]
seed = [1, 2]
schedule = ["constant:peak=1e-2,steps={steps}", "wsd:peak=1e-2,steps={steps},decay=0.5"]
"""


def text_in(folder: Path) -> Path:
    """The folder, with thirty files of words in it."""
    folder.mkdir(exist_ok=True)
    for i in range(30):
        words = np.random.default_rng(i).choice(["if ", "else:\n", "return ", "x = ", "None\n"], 200)
        (folder / f"{i}.py").write_text("".join(words))
    return folder


class Inline(Executor):
    """Does the work when it is submitted."""

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as problem:
            future.set_exception(problem)
        return future
