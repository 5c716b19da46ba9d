"""Execute the notebooks' .py sources and write their .ipynb twins: `make notebooks`, or this file with names."""

import sys
from pathlib import Path

import jupytext
from nbclient import NotebookClient
from test_notebooks import FIGURES, shown

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"


def main(names: list[str]) -> None:
    for source in sorted(FOLDER.glob("*.py")):
        if names and source.stem not in names:
            continue
        notebook = jupytext.read(source)
        NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(FOLDER.parent)}}).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times of day would change every file every time
        if sum(shown(notebook)) != FIGURES[source.stem]:
            sys.exit(f"{source.name} shows {sum(shown(notebook))} figures, not the {FIGURES[source.stem]} it should.")
        jupytext.write(notebook, source.with_suffix(".ipynb"))
        print(source.with_suffix(".ipynb").name, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
