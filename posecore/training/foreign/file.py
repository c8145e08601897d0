"""Reading other trainers' configuration files: JSON with comments, or Python that only assigns plain values.

Nothing in a file is executed. Python is walked as a syntax tree, and what is not a plain value is refused by its line.
"""

from __future__ import annotations

import ast
import json
import operator
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from posecore.errors import SettingsError

#: Bytes; a configuration is far smaller.
_MOST_BYTES = 1 << 20
#: Longest text or list that joining may give, and largest number that may be calculated with.
_LONGEST, _LARGEST = 100_000, 10**15
#: Names under which a Python file may hold its configuration, if it assigns several dictionaries.
_NAMES = ("cfg", "config", "CFG", "CONFIG")

_STRING = r'"(?:\\.|[^"\\\n])*"'
_COMMENTS = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMAS = re.compile(rf"({_STRING})|,(?=\s*[}}\]])")


def read_foreign(path: Path) -> dict[str, Any]:
    """Keys and values of a configuration file.

    Args:
        path: A ``.py`` file, or JSON, which may have ``//`` and ``/* */`` comments and a comma after the last entry.

    Raises:
        SettingsError: Naming the line that cannot be understood.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SettingsError(f"{path} has more than a megabyte; it is no configuration file.")
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"The configuration {path} cannot be read: {error}.") from error
    return parse_python(text, str(path)) if path.suffix == ".py" else parse_json(text, str(path))


def parse_json(text: str, where: str) -> dict[str, Any]:
    """JSON with comments; raises ``SettingsError`` as :func:`read_foreign` does."""

    def blank(match: re.Match[str]) -> str:
        # Lines are kept, so that a mistake is reported where it is.
        return match[1] or re.sub(r"[^\n]", " ", match[0])

    plain = _LAST_COMMAS.sub(blank, _COMMENTS.sub(blank, text))
    try:
        values = json.loads(plain)
    except json.JSONDecodeError as error:
        raise SettingsError(f"{where}, line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{where} is not a configuration: {error}.") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{where} must hold keys and values between {{ and }}.")
    return values


def parse_python(text: str, where: str) -> dict[str, Any]:
    """A dictionary in Python; raises ``SettingsError`` as :func:`read_foreign` does."""
    try:
        # What Python's parser warns of, such as odd escapes, is not this file's matter.
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
    except SyntaxError as error:
        raise SettingsError(f"{where}, line {error.lineno}: {error.msg}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SettingsError(f"{where} is not a Python file: {error}.") from error
    try:
        return _Reader(where).read(tree)
    except RecursionError as error:
        raise SettingsError(f"{where} is nested too deeply.") from error


class _Reader:
    """Walks the statements of a file and keeps what they assign."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.names: dict[str, Any] = {}

    def read(self, tree: ast.Module) -> dict[str, Any]:
        """The file's configuration."""
        last: Any = None
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                # A file may be nothing but a dictionary; a text by itself is a comment.
                last = self.value(statement.value)
            else:
                self.run(statement)
        found = [value for value in self.names.values() if isinstance(value, dict)]
        named = [self.names[name] for name in _NAMES if isinstance(self.names.get(name), dict)]
        for candidates in (named, found, [last] if isinstance(last, dict) else []):
            if candidates:
                return dict(candidates[0])
        raise SettingsError(f"{self.where} assigns no dictionary; it should say cfg = {{...}}.")

    def run(self, statement: ast.stmt) -> None:
        """One statement: an assignment, a choice between blocks, or something that changes nothing."""
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self.names[name] = self.value(value)
            case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=name), slice=key)], value=value):
                table = self.names.get(name)
                if not isinstance(table, dict):
                    self.refuse(statement)
                table[self.key(key)] = self.value(value)
            case ast.If(test=test, body=body, orelse=other):
                for inner in body if self.value(test) else other:
                    self.run(inner)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Expr(value=ast.Constant()):
                pass
            case _:
                self.refuse(statement)

    def value(self, node: ast.expr) -> Any:
        """What an expression of plain values stands for."""
        match node:
            case ast.Constant(value=value) if value is None or isinstance(value, (bool, int, float, str)):
                return value
            case ast.Name(id=name) if name in self.names:
                return self.names[name]
            case ast.Dict(keys=keys, values=values):
                return {self.key(key): self.value(value) for key, value in zip(keys, values, strict=True)}
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self.value(item) for item in items]
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self.value(operand)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                if isinstance(number := self.value(operand), (int, float)):
                    return -number
            case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
                return self.worked_out(node, _OPERATIONS[type(operation)], self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq() as sign], comparators=[right]):
                return (self.value(left) == self.value(right)) is isinstance(sign, ast.Eq)
        self.refuse(node)

    def key(self, node: ast.expr | None) -> str:
        """A dictionary's key, which must be a text."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return node.value
        raise SettingsError(f"{self.where}: the keys of a configuration must be texts.")

    def worked_out(self, node: ast.expr, operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
        """A small calculation: two numbers, or two texts or lists that are joined."""
        numbers = all(isinstance(one, (int, float)) and abs(one) <= _LARGEST for one in (left, right))
        joined = operation is operator.add and type(left) is type(right) and isinstance(left, (str, list))
        if not (numbers or (joined and len(left) + len(right) <= _LONGEST)):
            self.refuse(node)
        try:
            return operation(left, right)
        except ZeroDivisionError:
            self.refuse(node)

    def refuse(self, node: ast.stmt | ast.expr) -> NoReturn:
        """Say which line is more than plain values."""
        raise SettingsError(
            f"{self.where}, line {node.lineno}: only plain values are read, nothing is run; write the value out, or "
            "save the configuration as JSON."
        )


_OPERATIONS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip
