"""Flags made from the settings classes, so that a setting is described in one place only."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from posecore.errors import SettingsError
from posecore.families import FAMILIES
from posecore.parsing import read_json, shown
from posecore.settings import Control, Settings, check_names, controls
from posecore.two_stage.settings import (
    FINDER,
    NOT_OF_FINDER,
    TwoStageDecodeSettings,
    TwoStageNetworkSettings,
    finder_control,
    finder_name,
)

_TYPES: dict[str, type] = {"int": int, "float": float, "flag": bool, "choice": str}


def family_controls() -> dict[str, Control]:
    """All families' settings by name; where several share one, the first family's words and the widest choice."""
    merged: dict[str, Control] = {}
    for family in FAMILIES.values():
        classes: list[type[Settings]] = [family.network_settings(name) for name in family.architectures]
        for control in (c for cls in (*classes, family.decode_settings) for c in controls(cls)):
            known = merged.get(control.name)
            if known is None or len(control.choices) > len(known.choices):
                merged[control.name] = control
    return merged


def model_controls() -> dict[str, Control]:
    """The settings of all models by name: the families', and what joined models have beside them."""
    families = family_controls()
    joined = (c for cls in (TwoStageNetworkSettings, TwoStageDecodeSettings) for c in controls(cls))
    found = {name: control for name, control in families.items() if name not in NOT_OF_FINDER}
    finders = {finder_name(name): finder_control(control) for name, control in found.items()}
    return {**{c.name: c for c in joined}, **finders, **families}


def each_value(texts: list[str]) -> dict[str, list[Any]]:
    """``name=value,value``, as ``--each`` has it, as values by name; semicolons part values that have commas."""
    known = model_controls()
    values: dict[str, list[Any]] = {}
    for text in texts:
        name, equals, listed = text.partition("=")
        if not equals or not listed:
            raise SettingsError(f"--each {text} says no values; write it as --each runtime=torch,openvino.")
        name = name.strip().replace("-", "_")
        check_names([name], known)
        values[name] = [parsed(known[name], value.strip()) for value in listed.split(";" if ";" in listed else ",")]
    return values


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command one flag per network and decode setting; its ``settings`` argument gets those that were used.

    ``--settings FILE`` takes them from a file, as “posecore tune --json FILE” writes it; flags go first.
    """
    flags = model_controls()
    return _with_file(_with_flags(function, "settings", flags), flags)


def settings_options_without(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """As :func:`settings_options`, for a command to which some settings mean nothing."""
    flags = {name: control for name, control in family_controls().items() if name not in names}
    return lambda function: _with_file(_with_flags(function, "settings", flags), flags)


def options_of(name: str, settings_class: type[Settings]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command one flag per field of ``settings_class``, collected as a dict in its argument ``name``."""
    flags = {c.name: c for c in controls(settings_class)}

    def with_options(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def checked(**values: Any) -> Any:
            _check_applied(values[name], flags)
            return function(**values)

        return _with_flags(checked, name, flags)

    return with_options


def flag_of(name: str) -> str:
    """A setting or argument as it is written on the command line."""
    return f"--{name.replace('_', '-')}"


def check_belongs(given: Iterable[str], to: str) -> None:
    """Refuse options that were given without the one that gives them a meaning."""
    for name in given:
        raise typer.BadParameter(f"{flag_of(name)} belongs to {to}; give that as well.")


def _check_applied(given: Mapping[str, Any], flags: Mapping[str, Control]) -> None:
    """Refuse settings that have no effect beside the others."""
    values = {**{name: control.default for name, control in flags.items()}, **given}
    for name in given:
        if not flags[name].applies(values):
            raise typer.BadParameter(f"{flag_of(name)} has an effect only with {_condition(flags[name])}.")


def _condition(control: Control) -> str:
    """The flags with which a setting has an effect; nothing when it always has one."""
    parts = []
    for name, allowed in control.when:
        if isinstance(allowed[0], bool):
            parts.append(flag_of(name) if allowed[0] else flag_of(f"no_{name}"))
        else:
            parts.append(f"{flag_of(name)} {' or '.join(map(str, allowed))}")
    return " and ".join(parts)


def listed(text: str) -> list[str]:
    """What stands between the commas of an option."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _with_flags(function: Callable[..., Any], argument: str, flags: dict[str, Control]) -> Callable[..., Any]:
    signature = inspect.signature(function, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.name != argument]
    clash = {parameter.name for parameter in own} & set(flags)
    if clash:
        raise TypeError(f"{function.__name__} already has the flags {', '.join(sorted(clash))}.")
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=_annotation(control))
        for name, control in flags.items()
    ]

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        chosen = {name: values.pop(name) for name in flags}
        given = {name: _parsed(flags[name], value) for name, value in chosen.items() if value is not None}
        return function(**values, **{argument: given})

    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return command


def parsed(control: Control, text: str) -> Any:
    """A setting's value from text; an impossible one is left for the settings to refuse."""
    if control.kind in ("int", "float"):
        with suppress(ValueError):
            return _TYPES[control.kind](text)
    return {"true": True, "false": False}.get(text.lower(), text) if control.kind == "flag" else _parsed(control, text)


_FILE = typer.Option(
    "--settings", help="Take settings from this file, as “posecore tune --json” writes it.", rich_help_panel="Settings"
)


def _with_file(command: Callable[..., Any], flags: Mapping[str, Control]) -> Callable[..., Any]:
    """Give a command with ``flags`` for settings one more, for a file of them."""
    signature = inspect.signature(command)
    added = inspect.Parameter(
        "settings_file", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[Path | None, _FILE]
    )

    @functools.wraps(command)
    def with_file(**values: Any) -> Any:
        file: Path | None = values.pop("settings_file", None)
        known = {} if file is None else _settings_of(file, flags)
        unsaid = {name: value for name, value in known.items() if values.get(name) is None}
        return command(**{**values, **unsaid})

    with_file.__signature__ = signature.replace(parameters=[*signature.parameters.values(), added])  # type: ignore[attr-defined]
    with_file.__annotations__ = {**command.__annotations__, added.name: added.annotation}
    return with_file


def _settings_of(file: Path, flags: Mapping[str, Control]) -> dict[str, Any]:
    """What a settings file holds, as ``flags`` would give it."""
    data = read_json(file, "settings", SettingsError)
    settings = data.get("settings", data) if isinstance(data, dict) else None
    if not isinstance(settings, dict):
        raise SettingsError(f"{file}: settings are an object of names and values, not {shown(data)}.")
    for name, value in settings.items():
        if name not in flags:
            raise SettingsError(f"{file}: there is no setting {shown(name)}.")
        if not isinstance(value, str | int | float):
            raise SettingsError(f"{file}: {name} is a number, a word, true or false, not {shown(value)}.")
    return settings


def _annotation(control: Control) -> Any:
    allowed = ""
    if control.minimum is not None and control.maximum is not None:
        allowed = f" From {control.minimum:g} to {control.maximum:g}."
    only = _condition(control)
    option = typer.Option(
        help=f"{control.help}{allowed}{f' Only with {only}.' if only else ''} Default {control.default}.",
        show_default=False,
        rich_help_panel="Settings of the finder in joined models" if control.name.startswith(FINDER) else "Settings",
        metavar="|".join(map(str, control.choices)) or None,
    )
    return Annotated[_TYPES[control.kind] | None, option]


def _parsed(control: Control, value: Any) -> Any:
    """A choice given as text, as the type its choices have; an impossible one is left for the settings to refuse."""
    by_text = {str(choice): choice for choice in control.choices}
    return by_text.get(value, value) if control.kind == "choice" else value
