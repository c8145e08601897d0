"""Handing out work: a few pieces at a time, each done exactly once, whatever happens to workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic

from posecore.spreading.workers import Item, Lost, Result, Workers

#: How often a piece of work is tried when workers die with it.
TRIES = 2


#: Items of a piece of work that is cut off a longer list.
_ITEMS = 8


@dataclass
class _Piece(Generic[Item]):
    """Some of a task's items: those from place ``start`` on."""

    task: int
    start: int
    items: Sequence[Item]
    tries: int = 0


@dataclass
class _Open(Generic[Item, Result]):
    """A task of which something is missing."""

    items: Sequence[Item]
    results: list[Result | Lost]
    missing: int


def pieces_of(items: Sequence[Item]) -> list[Sequence[Item]]:
    """A list cut into pieces of work."""
    return [items[start : start + _ITEMS] for start in range(0, len(items), _ITEMS)]


def hand_out(
    workers: Workers[Item, Result], tasks: Iterable[Sequence[Item]]
) -> Iterator[tuple[int, Sequence[Item], list[Result | Lost]]]:
    """Do all tasks, and hand out results of each as a whole, in the order in which they are done.

    Tasks are taken only when a worker is free, so that what waits, and what this holds, is bounded. A task whose worker
    died is done again; one that fails is taken apart, so that an item that cannot be done costs none of the others.

    Args:
        workers: Who works.
        tasks: Lists of items, not empty. An iterator may have nothing for the moment: it is asked again when results
            were handed out, which may lead to more.

    Yields:
        The number of a task, from 0 in the order of ``tasks``, its items, and their results in the same order, ``Lost``
        for those that cannot be done.
    """
    feed = enumerate(tasks)
    waiting: deque[_Piece[Item]] = deque()
    free = deque(range(workers.count))
    busy: dict[int, _Piece[Item]] = {}
    tasks_open: dict[int, _Open[Item, Result]] = {}
    while True:
        while free and (piece := _next_piece(waiting, feed, tasks_open)) is not None:
            worker = free.popleft()
            busy[worker] = piece
            workers.send(worker, piece.items)
        if not busy:
            return
        worker, answer = workers.receive()
        free.append(worker)
        piece = busy.pop(worker)
        results: Sequence[Result | Lost]
        if isinstance(answer, Lost):
            again = _again(piece, answer)
            if again:
                waiting.extend(again)
                continue
            results = [answer]
        else:
            results = answer
        task = tasks_open[piece.task]
        task.results[piece.start : piece.start + len(piece.items)] = results
        task.missing -= len(piece.items)
        if not task.missing:
            del tasks_open[piece.task]
            yield piece.task, task.items, task.results


def _next_piece(
    waiting: deque[_Piece[Item]],
    feed: Iterator[tuple[int, Sequence[Item]]],
    tasks_open: dict[int, _Open[Item, Result]],
) -> _Piece[Item] | None:
    if waiting:
        return waiting.popleft()
    found = next(feed, None)
    if found is None:
        return None
    number, items = found
    unknown: Result | Lost = Lost("it was not done")
    tasks_open[number] = _Open(items, [unknown] * len(items), len(items))
    return _Piece(number, 0, items)


def _again(piece: _Piece[Item], why: Lost) -> list[_Piece[Item]]:
    """What to do instead of a piece that was lost; nothing when it is a single item that cannot be done."""
    if why.died and piece.tries + 1 < TRIES:
        return [_Piece(piece.task, piece.start, piece.items, piece.tries + 1)]
    if len(piece.items) == 1:
        return []
    return [_Piece(piece.task, piece.start + place, [item]) for place, item in enumerate(piece.items)]
