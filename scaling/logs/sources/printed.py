"""Lines that programs print -> fields, found by their key wherever it stands."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scaling.logs.opened import encoding_of
from scaling.logs.sources.dialects import DIALECTS

LONGEST = 20_000  # characters of a line that are looked at
COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
UNITS = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}
LARGEST_POWER = 290  # of ten, as numbers end at 1e308 and a unit may follow
UNREADABLE = "\ufffd"
RANK = re.compile(r"\[(?:rank|default)(\d+)\]:|\[Rank (\d+)\]|^\s*(\d+): |^\[\d+,(\d+)\]<std", re.IGNORECASE)

# everything below is matched in small letters
_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?[kmbgt]?|[-+]?(?:nan|inf)"
_END = r"(?=[\s;:|/)\]}'\"(]|,(?!\d)|\.?$|\.\s)"  # anything else behind a number means that it is damaged
_KEYS = sorted({key for dialect in DIALECTS for key in dialect.keys if key != "^"}, key=len, reverse=True)
_STEPS = {key for dialect in DIALECTS for key, (column, _) in dialect.keys.items() if column == "step"}


def _pattern(key: str) -> str:
    """A key but for its first letter, after which it is looked up."""
    text = re.escape(key[1:]).replace(r"\*", r"[\w./-]{1,80}?")
    return text if key in _STEPS else rf"(?<![a-z] {key[0]}){text}"  # `balance loss` is another thing than `loss`


_BY_LETTER = {letter: "|".join(_pattern(key) for key in _KEYS if key[0] == letter) for letter in sorted({k[0] for k in _KEYS})}
_KEY = rf"(?<![\w/.-])(?P<key>{'|'.join(f'{re.escape(letter)}(?:{rest})' for letter, rest in _BY_LETTER.items())})"
_BETWEEN = r"(?:[\"']?\s{0,20}[:=]\s{0,20}|\s{1,20})[\"'(\[]{0,2}"
_VALUE = rf"(?P<number>{_NUMBER}){_END}(?:\s{{0,9}}/\s{{0,9}}(?P<total>\d[\d,]*)(?![\w.]))?"
# a unit, and no key of the next number
BITS = re.compile(r"\s{0,9}(?:bpb|bits?(?:/|[ _-]per[ _-])byte)\b(?![\"']?[\s:=]*[-+.\d])")
FIELD = re.compile(rf"(?:{_KEY}{_BETWEEN}|^(?=\d))(?:{_VALUE}|(?P<junk>[-+.]?\d[^\s,;|]{{0,40}}))")


@dataclass(frozen=True, slots=True)
class Field:
    """One key with its number as it is printed; no number where it is damaged."""

    key: str
    number: str
    total: str  # of `number/total`
    last: bool  # nothing stands behind it
    bits: bool = False  # it is in bits per byte, as the unit behind it says


def fields(line: str) -> list[Field]:
    """The fields of a line, as far as their keys are in any dialect; the number that begins a line has the key `^`."""
    small = line.lower()
    found = FIELD.finditer(small)
    return [
        Field(
            m["key"] or "^", m["number"] or "", m["total"] or "", line[m.end("number") :] in ("", ",", "."),
            bool(m["number"] and BITS.match(small, m.end("number"))),
        )
        for m in found
    ]  # fmt: skip


def lines(raw: bytes) -> Iterator[tuple[int, str]]:
    """Number and text of every line, without colours; what a progress bar overwrites is a line of its own."""
    encoding = encoding_of(raw[:4])
    whole = raw if encoding != "utf-16" else raw.decode("utf-16", errors="replace").encode()
    start, number = 0, 0
    while start < len(whole):
        stop = whole.find(b"\n", start)
        stop = len(whole) if stop < 0 else stop
        number += 1
        for part in whole[start:stop].decode("utf-8", errors="replace").split("\r"):
            if part and not part.isspace():
                yield number, (COLOURS.sub("", part[:LONGEST]) if "\x1b" in part else part[:LONGEST]).rstrip()
        start = stop + 1


def value(number: str) -> float:
    """The number that a text in small letters stands for: 7,282 and 1.2k and nan."""
    unit = UNITS.get(number[-1])
    text = number.replace(",", "")
    return float(text) if unit is None else round(float(text[:-1]) * unit, 6)


def resolution(number: str) -> float:
    """The last digit of a number as it is printed: .001 of 3.236, .01 of 32.36e-1, 100 of 1.2k; inf beyond all numbers."""
    unit = UNITS.get(number[-1])
    mantissa, _, exponent = (number if unit is None else number[:-1]).partition("e")
    power = float(exponent or 0) - len(mantissa.partition(".")[2])
    return float(10.0**power * (unit or 1)) if power < LARGEST_POWER else math.inf
