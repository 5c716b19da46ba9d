"""Make the text of languages.toml: `python runs/languages.py` (Debian or Ubuntu, 23 MB of packages, no root).

Help texts and manual pages in English, German, French and Russian: one register, so that what differs is the language.
Markup is removed; lines are kept once, from 20 bytes on, and not if English has them too (untranslated). Nothing of it is
stored in this repository; licences: MPL-2.0 (help), GPL and others (manual pages).
"""

import gzip
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PACKAGES = {
    "en": ["libreoffice-help-en-us", "manpages-dev"],
    "de": ["libreoffice-help-de", "manpages-de"],
    "fr": ["libreoffice-help-fr", "manpages-fr"],
    "ru": ["libreoffice-help-ru", "manpages-ru"],
}
PART = 400  # lines a file: the split into training and validation is by file


def lines_of(package: str, folder: Path) -> Iterator[str]:
    """The text lines of a package, markup removed."""
    subprocess.run(["apt-get", "download", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (deb,) = folder.glob(f"{package}_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(deb), str(folder / package)], check=True)
    for path in sorted((folder / package).rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix in (".html", ".htm"):
            text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", path.read_text("utf-8", "replace"), flags=re.S)
        elif path.suffix == ".gz" and "/man" in path.as_posix():
            roff = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
            text = re.sub(r"\\f.|\\[&|^/,]|\\\(..|\\\[.*?\]", "", re.sub(r"(?m)^[.'].*$", "", roff)).replace("\\-", "-")
        else:
            continue
        yield from (" ".join(line.split()) for line in text.splitlines())


def main() -> int:
    out, english = Path(__file__).parent / "text", set[str]()
    for language, packages in PACKAGES.items():
        with tempfile.TemporaryDirectory() as folder:
            found = [line for package in packages for line in lines_of(package, Path(folder))]
        lines = [line for line in dict.fromkeys(found) if len(line.encode()) >= 20 and line not in english]
        english |= set(lines) if language == "en" else set()
        (out / language).mkdir(parents=True, exist_ok=True)
        for i in range(0, len(lines), PART):
            (out / language / f"{i // PART:04}.txt").write_text("\n".join(lines[i : i + PART]) + "\n", "utf-8")
        print(f"{language}: {sum(len(line.encode()) + 1 for line in lines) / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
