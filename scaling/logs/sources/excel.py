"""Excel: the first sheet with a header and rows; most are tables of finals, one row a run."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

from scaling.logs.findings import Findings, some
from scaling.logs.gathered import Gathered
from scaling.logs.sheet import Sheet, parts_of

NAME = "Excel tables"
_MOST = 100  # a workbook may unpack to so many times its size; real ones do to ten


def claims(path: Path, head: bytes) -> bool:
    """A zip archive that holds a workbook."""
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return "xl/workbook.xml" in archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return path.suffix.lower() in (".xlsx", ".xlsm")


def sheets(path: Path, findings: Findings) -> list[Sheet]:
    """The table of the first worksheet that has one; none after a problem was recorded."""
    name = str(path)
    try:
        import openpyxl
    except ImportError:
        findings.problem(name, "Excel files need an extra: pip install 'scaling-laws[excel]'; or save the sheet as CSV")
        return []
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > max(_MOST * path.stat().st_size, 2**20):
            findings.problem(name, f"it unpacks to more than {_MOST} times its size; save the sheet as CSV")
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and extensions that hold no numbers
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    except Exception as error:  # damaged archives raise anything
        findings.problem(name, f"the workbook is damaged ({type(error).__name__}); save the sheet as CSV")
        return []
    tables = [(sheet.title, found) for sheet in book.worksheets if (found := _table(sheet)) is not None]
    book.close()
    if not tables:
        findings.problem(name, "no sheet has a header of column names and rows below it")
        return []
    if len(tables) > 1:
        findings.note(f"of the sheets {some([title for title, _ in tables], 5)} the first is read", name)
    columns, lines = tables[0][1]
    return [Sheet(name, parts_of(path), columns, lines, "row", ordered=False)]


def _table(sheet: Any) -> Any:
    """Columns and rows below the first row that has two names or more."""
    gathered = Gathered()
    header: list[str] = []
    for i, cells in enumerate(sheet.iter_rows(values_only=True)):
        filled = [cell for cell in cells if cell is not None]
        if not header:
            if len(filled) > 1 and all(isinstance(cell, str) for cell in filled):
                header = ["" if cell is None else str(cell).strip() for cell in cells]
        elif filled:
            row = {name: cell for name, cell in zip(header, cells, strict=False) if name and cell not in (None, "")}
            gathered.add(row, i + 1)
    columns, lines = gathered.finished()
    return (columns, lines) if len(lines) and columns else None
