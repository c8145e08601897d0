"""Texts of options: what the browser says was chosen, so each must be the only one of its kind and stay the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping


def option_texts(titles: Mapping[str, str]) -> Callable[[str], str]:
    """What ``format_func`` of a choice among the keys of ``titles`` returns.

    Streamlit finds the chosen option again by its text. Titles may be equal, so later ones are numbered; they must not
    say anything that can change while the option stays, or the choice would be lost with it.
    """
    texts: dict[str, str] = {}
    taken: set[str] = set()
    for key, title in titles.items():
        text, number = title, 2
        while text in taken:
            text, number = f"{title} ({number})", number + 1
        taken.add(text)
        texts[key] = text
    return lambda key: texts.get(key, key)
