"""`python docs/made/links.py FOLDER`: every link from a built page to another, or to a place in one, must lead there."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The links and the places of a page, and what it would load from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links, self.places, self.loaded = [], {""}, []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        said = dict(attrs)
        self.places |= {said[k] for k in ("id", "name") if said.get(k)}
        for name in ("href", "src"):
            if said.get(name):
                self.links.append(said[name])
                if tag in ("script", "img", "link", "iframe") and said.get("rel") not in ("canonical", "author"):
                    self.loaded.append(said[name])


def dead(folder: Path) -> list[str]:
    """What is wrong: links that lead nowhere, and files that a page would fetch from the network."""
    pages = {path.resolve(): Page(path.read_text()) for path in folder.rglob("*.html") if "_static" not in path.parts}
    found = []
    for path, page in pages.items():
        name = path.relative_to(folder.resolve())
        found += [f"{name} loads {url}" for url in page.loaded if urlsplit(url).netloc]
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                found.append(f"{name} -> {link}")
            elif target in pages and unquote(parts.fragment) not in pages[target].places:
                found.append(f"{name} -> {link}: no such place")
    return sorted({*found})


if __name__ == "__main__":
    problems = dead(Path(sys.argv[1]))
    print("\n".join(problems) or "no dead link")
    sys.exit(bool(problems))
