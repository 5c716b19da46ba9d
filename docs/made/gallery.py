"""The notebooks, as executed, and a page of their first figures."""

import base64
import json
import re
from pathlib import Path

HEAD = """# Gallery

Notebooks, executed. Their sources lie in `notebooks/` of the repository, and the tests run them.

::::{grid} 1 2 2 3
:gutter: 3
"""


def pages(folder: Path) -> dict[str, str | bytes]:
    """Path -> content of the gallery and its notebooks."""
    made: dict[str, str | bytes] = {}
    cards = []
    for path in sorted(folder.glob("*.ipynb")):
        notebook = json.loads(path.read_text())
        title = "".join(notebook["cells"][0]["source"]).splitlines()[0].removeprefix("# ")
        for cell in notebook["cells"]:  # links into the repository lead nowhere from here
            cell["source"] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", "".join(cell["source"])).splitlines(keepends=True)
        made[f"gallery/{path.name}"] = json.dumps(notebook)
        made[f"gallery/{path.stem}.png"] = base64.b64decode(picture(notebook))
        cards.append(f":::{{grid-item-card}} {title}\n:link: {path.stem}\n:link-type: doc\n:img-bottom: {path.stem}.png\n:::\n")
    tree = "```{toctree}\n:hidden:\n\n" + "\n".join(p.stem for p in sorted(folder.glob("*.ipynb"))) + "\n```\n"
    made["gallery/index.md"] = HEAD + "\n".join(cards) + "::::\n\n" + tree
    return made


def picture(notebook: dict) -> str:
    """The first figure a notebook shows."""
    outputs = (o for cell in notebook["cells"] for o in cell.get("outputs", []))
    return next(o["data"]["image/png"] for o in outputs if "image/png" in o.get("data", {}))
