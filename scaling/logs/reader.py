"""`read`: paths -> Runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from scaling.errors import DataError
from scaling.logs import facts as facts_
from scaling.logs.assemble import assemble, pieces
from scaling.logs.beside import beside
from scaling.logs.columns import check_names, check_resumed, loss_named
from scaling.logs.findings import Findings, some
from scaling.logs.folders import logs_in
from scaling.logs.runs import Runs
from scaling.logs.sources import sheets_of
from scaling.waits import steps


def read(
    paths: str | Path | Iterable[str | Path],
    *,
    columns: Mapping[str, str] | None = None,
    loss: str | None = None,
    facts: Any = None,
    schedule: Any = None,
    warmup: int | None = None,
    resumed: str | None = None,
) -> Runs:
    """Read loss curves from logs of any format, recognised by their content: `scaling.logs.sources` has them.

    Parameters
    ----------
    paths : a file, a glob, a folder (its logs, or those of its curves/ if it has a runs.csv, or those of the folders in it
        if it has none of its own), or several. A file holds one run, named by the file's stem, or several, told apart by a
        column run, run_id or curve. Equal names are made distinct by the folders above.
    columns : canonical name -> column of the files, where names are unknown or ambiguous, as in
        `{"step": "_step"}`. The canonical names are the keys of `scaling.logs.columns.ALIASES`.
    loss : `"train_loss"`, `"val_loss"` or a column of the files; default val_loss where it is logged, else
        train_loss. A column named `loss` counts as train_loss.
    facts : facts of the runs: a DataFrame indexed by run, `{run: {fact: value}}`, or `{fact: value}` for
        all. They win over constant columns of the files and over a runs.csv beside them or one folder up.
    schedule : text, table or Schedule for all runs, or `{run: schedule}`; wins over the logged rates.
    warmup : number of warm-up updates of runs whose rows begin after it, to rebuild their schedule.
    resumed : `"newest"`: where steps fall back, a resumed run wrote them again, and the newest rows count. So it is without
        being said where rows stand in the order they were written and no other reading is likely; the notes tell.

    Raises
    ------
    DataError : what cannot be read: up to 5 problems with file, line, column, text seen and remedy.
    """
    rest, loss = loss_named(columns, loss)
    names = check_names(rest)
    findings = Findings()
    check_resumed(resumed)
    frame = hasattr(paths, "columns")  # as a list it would be the names of its columns
    many = isinstance(paths, Iterable) and not isinstance(paths, (str, Path)) and not frame
    given: list[Any] = [*paths] if many else [paths]  # type: ignore[misc]
    if not all(isinstance(path, (str, Path)) for path in given):
        raise DataError(
            f"scaling.read takes paths of files or folders, not {some([type(p).__name__ for p in given], 3)}; "
            "a DataFrame becomes runs by Runs.from_frame."
        )
    files = logs_in(given, findings)
    findings.raise_problems()
    tables: dict[Path, facts_.Facts | None] = {}
    read_pieces = []
    for path in steps(files, "reading logs"):
        found = sheets_of(path, findings)
        if not found:
            continue
        listed = facts_.find_table(path)
        if listed is not None and listed not in tables:
            tables[listed] = facts_.from_table(listed, findings)
        table = tables[listed] if listed is not None else None
        near = beside(path, findings) if table is None else {}
        for sheet in found:
            read_pieces += pieces(sheet, names, loss, table, near, resumed, findings)
    return Runs(*assemble(read_pieces, facts, schedule, warmup, findings))
