"""Files as bytes and text: unpacked, decoded, and read no further than a reader may."""

import bz2
import gzip
import io
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from scaling.logs.findings import Findings

HEAD = 4096  # bytes by which a source recognises its format
GROWTH, LEAST = 20, 2**20  # a packed file may unpack to so many times its size, and to so many bytes in any case
UNPACKERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\x00": lzma.LZMAFile,
}
ZSTD = b"\x28\xb5\x2f\xfd"


def head_of(path: Path) -> bytes:
    """The first bytes, unpacked; none of what cannot be read."""
    try:
        with path.open("rb") as file:
            raw = file.read(HEAD)
            unpack = unpacker(raw)
            if unpack is None:
                return raw
            file.seek(0)
            return bytes(unpack(file).read(HEAD))
    except (OSError, EOFError, lzma.LZMAError, ImportError):
        return b""


def unpacker(head: bytes) -> Callable[[IO[bytes]], Any] | None:
    """How a packed file is unpacked, by its first bytes; None for one that is not packed."""
    if head.startswith(ZSTD):
        return _zstd
    return next((unpack for magic, unpack in UNPACKERS.items() if head.startswith(magic)), None)


def _zstd(file: IO[bytes]) -> IO[bytes]:
    import zstandard

    opened: IO[bytes] = zstandard.ZstdDecompressor().stream_reader(file)
    return opened


def raw_of(path: Path, findings: Findings) -> bytes | None:
    """All bytes of a file, unpacked; None after a problem."""
    name = str(path)
    try:
        raw = path.read_bytes()
        unpack = unpacker(raw[:8])
        if unpack is None:
            return raw
        most = max(GROWTH * len(raw), LEAST)
        raw = bytes(unpack(io.BytesIO(raw)).read(most + 1))
        if len(raw) <= most:
            return raw
        findings.problem(name, f"it unpacks to more than {GROWTH} times its size; unpack it first and read the result")
    except FileNotFoundError:
        findings.problem(name, "no such file; check the path")
    except ImportError:
        findings.problem(name, "packed with zstd; unpack it first, or install its reader: pip install 'scaling-laws[zstd]'")
    except (EOFError, lzma.LZMAError) as error:
        findings.problem(name, f"it cannot be unpacked ({error}); is it complete? Copy it again")
    except OSError as error:
        if error.strerror is None:
            findings.problem(name, f"it cannot be unpacked ({error}); is it complete? Copy it again")
        else:
            findings.problem(name, f"cannot be read ({error.strerror}); check its permissions")
    return None


def encoding_of(head: bytes) -> str:
    """utf-16 with its mark, else utf-8 with or without one."""
    return "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"


def decoded(head: bytes) -> str:
    """The first bytes as text, for a source that recognises words; what is no text is left out."""
    return head.decode(encoding_of(head), errors="ignore")


def text_of(path: Path, findings: Findings) -> str | None:
    """The whole file as text; None after a problem was recorded."""
    raw = raw_of(path, findings)
    if raw is None:
        return None
    encoding = encoding_of(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        said = f"not {encoding.removesuffix('-sig')} text; is it a log? Save it as UTF-8"
        findings.problem(f"{path}, line {line}", said)
        return None
    if not text.strip("\0 \t\r\n\f\v"):
        findings.nothing(str(path), "the file is empty; was the log ever flushed?")
        return None
    return text
