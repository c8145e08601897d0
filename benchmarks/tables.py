"""Tables of the documentation: printed row by row, and renewed in their page by the command that measures them.

A table in a page follows the line ``<!-- table NAME -->``. Renewing it replaces what was measured again and keeps the
rest, so that new weights of one model cost the measuring of that model alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from posecore.errors import DataError
from posecore.storage import write_text
from posecore.zoo import list_models

#: What stands where nothing was measured.
NOTHING = "–"
Row = Mapping[str, object]


def table_parser(description: str | None) -> argparse.ArgumentParser:
    """Arguments that all commands have which print a table with rows of models."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=models_here(), help="every one on this machine unless said")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--into", type=Path, metavar="PAGE", help="renew the table in this page as well")
    return parser


def models_here() -> list[str]:
    """Names of the shipped and official models on this machine."""
    return [info.name for info in list_models() if info.available and info.origin != "yours"]


def printed(
    rows: Iterable[Row], page: Path | None = None, name: str = "", keys: Sequence[str] = ("model",)
) -> list[Row]:
    """The rows of a Markdown table, each printed, and put into the page's table ``name``, as soon as it is there."""
    done: list[Row] = []
    for row in rows:
        if not done:
            _say(_line(list(row)))
            _say(f"|{'---|' * len(row)}")
        _say(_line([str(value) for value in row.values()]))
        done.append(row)
        if page is not None:
            write_text(page, renewed(page.read_text("utf-8"), name, [row], keys))
    return done


def renewed(text: str, name: str, rows: Sequence[Row], keys: Sequence[str]) -> str:
    """A page with its table ``name`` renewed: cells of rows with the same ``keys`` are replaced, new rows added.

    A new row comes after the last one that begins with the same first key.

    Raises:
        DataError: When the page has no such table.
    """
    before, lines, rest = _split(text, name)
    known = _parsed(lines)
    for row in rows:
        _merge(known, {key: str(value) for key, value in row.items()}, keys)
    titles = list(dict.fromkeys(title for row in known for title in row))
    table = [_line(titles), f"|{'---|' * len(titles)}"]
    table += [_line([row.get(title, NOTHING) for title in titles]) for row in known]
    return f"{before}\n" + "\n".join(table) + "\n" + (f"\n{rest}" if rest and not lines else rest)


def rows_of(text: str, name: str) -> list[dict[str, str]]:
    """The rows of a page's table ``name``, by the titles of its columns; raises ``DataError`` for no such table."""
    return _parsed(_split(text, name)[1])


def _split(text: str, name: str) -> tuple[str, list[str], str]:
    """A page up to the line that announces a table, the table's lines, and the rest."""
    before, mark, after = text.partition(f"<!-- table {name} -->\n")
    if not mark:
        raise DataError(f"The page has no table {name!r}; write the line <!-- table {name} --> where it shall be.")
    lines = after.lstrip("\n").splitlines(keepends=True)
    count = next((index for index, line in enumerate(lines) if not line.startswith("|")), len(lines))
    return before + mark, lines[:count], "".join(lines[count:])


def _parsed(lines: Sequence[str]) -> list[dict[str, str]]:
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def _merge(known: list[dict[str, str]], row: dict[str, str], keys: Sequence[str]) -> None:
    for old in known:
        if all(old.get(key) == row[key] for key in keys):
            old.update(row)
            return
    same = [place for place, old in enumerate(known) if old.get(keys[0]) == row[keys[0]]]
    known.insert(same[-1] + 1 if same else len(known), row)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
