"""Progress bars of tqdm: `20%|██   | 200/1000 [...` tells the update that the records printed beside it leave out."""

import re
from collections import Counter

from scaling.logs.sources.dialects import BY_BAR
from scaling.logs.sources.printed import lines

BAR = re.compile(r"[^\r\n]{0,80}?\d+%\|[^|]*\|\s*(\d+)/(\d+) \[[^\]]*\]?")
RECORD = re.compile(r"\{'(?:eval_|train_)?\w+': .*")


def by_bar(raw: bytes) -> bytes:
    """The log with every record behind the update at which it was printed, and without bars; as it is where there are none.

    Evaluations and data have bars of their own: that of the training is the one that losses follow most often.
    """
    if not re.search(rb"\d%\|", raw) or b"{'loss'" not in raw:
        return raw
    said: list[tuple[int, str, int]] = []  # line, what it says, how many bars stand before it
    bars: list[tuple[int, int]] = []  # count and total of each
    follows: Counter[int] = Counter()
    for number, line in lines(raw):
        bars += [(int(bar[1]), int(bar[2])) for bar in BAR.finditer(line)]
        if rest := BAR.sub("", line).strip():
            said.append((number, rest, len(bars)))
            follows[bars[-1][1] if bars else 0] += rest.startswith("{'loss'")
    total = follows.most_common(1)[0][0] if follows else 0
    count = _nearest(bars, total)
    out: list[str] = []
    for number, rest, at in said:
        out += [""] * (number - 1 - len(out))
        text = f"{BY_BAR}: {count[at]}/{total} {rest}" if total and RECORD.match(rest) else rest
        if len(out) == number:
            out[-1] += "\r" + text
        else:
            out.append(text)
    return ("\n".join(out) + "\n" * raw.endswith((b"\n", b"\r"))).encode()


def _nearest(bars: list[tuple[int, int]], total: int) -> list[int]:
    """The count behind every bar: of the next of this total, which tqdm draws anew after it has written; else of the last."""
    found = [max((count for count, of in bars if of == total), default=0)]
    for count, of in reversed(bars):
        found.append(count if of == total else found[-1])
    return found[::-1]
