"""Caches that all sessions of the app share: bounded by bytes, and never computing the same thing twice at once."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import streamlit as st

from posecore.fields import Fields

Value = TypeVar("Value")

#: Megabytes that the app keeps in memory for all sessions together, unless POSECORE_CACHE_MB says otherwise.
DEFAULT_MEGABYTES = 512
#: Shares of that memory: fields, decoded pictures, drawn pictures.
SHARES = {"fields": 0.5, "pictures": 0.4, "drawings": 0.1}


@dataclass(frozen=True)
class CacheCounters:
    """What a cache has done since the server started.

    Attributes:
        hits: Requests answered from memory, waiting for another session's computation included.
        computed: Requests that had to be computed.
        evicted: Entries dropped to stay within the limit.
        entries: Entries held now.
        nbytes: Bytes held now.
        limit: Bytes that may be held.
    """

    hits: int = 0
    computed: int = 0
    evicted: int = 0
    entries: int = 0
    nbytes: int = 0
    limit: int = 0


class ByteCache(Generic[Value]):
    """Least recently used values up to a number of bytes, safe to use from many threads.

    Requests for a key that is being computed wait for that one computation. A value larger than the whole limit is
    handed out but not kept.

    Args:
        limit: Bytes that may be held.
        size_of: Bytes of a value.
    """

    def __init__(self, limit: int, size_of: Callable[[Value], int]) -> None:
        self._limit = limit
        self._size_of = size_of
        self._values: OrderedDict[Hashable, Value] = OrderedDict()
        self._running: dict[Hashable, Future[Value]] = {}
        self._lock = threading.Lock()
        self._counters = CacheCounters(limit=limit)

    @property
    def counters(self) -> CacheCounters:
        """A snapshot of what the cache has done."""
        with self._lock:
            return replace(self._counters, entries=len(self._values))

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            return key in self._values

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of ``key``, computed when nobody has it; what ``compute`` raises reaches everybody who waited."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                self._count(hits=1)
                return self._values[key]
            running = self._running.get(key)
            if running is None:
                mine: Future[Value] = Future()
                self._running[key] = mine
                self._count(computed=1)
            else:
                self._count(hits=1)
        return running.result() if running is not None else self._compute(key, compute, mine)

    def _compute(self, key: Hashable, compute: Callable[[], Value], promise: Future[Value]) -> Value:
        try:
            value = compute()
            size = self._size_of(value)
        except BaseException as error:
            # Also for a stopped script thread: whoever waits must not wait for ever.
            with self._lock:
                del self._running[key]
            promise.set_exception(error)
            raise
        with self._lock:
            del self._running[key]
            self._keep(key, value, size)
        promise.set_result(value)
        return value

    def _keep(self, key: Hashable, value: Value, size: int) -> None:
        if size > self._limit:
            return
        self._values[key] = value
        self._count(nbytes=size)
        while self._counters.nbytes > self._limit:
            _, oldest = self._values.popitem(last=False)
            self._count(nbytes=-self._size_of(oldest), evicted=1)

    def _count(self, **changes: int) -> None:
        changed = {name: getattr(self._counters, name) + change for name, change in changes.items()}
        self._counters = replace(self._counters, **changed)

    def clear(self) -> None:
        """Forget all values; the counters stay."""
        with self._lock:
            self._values.clear()
            self._counters = replace(self._counters, nbytes=0)


def memory_limit(purpose: str) -> int:
    """Bytes that the cache for ``purpose`` (a key of ``SHARES``) may hold.

    ``POSECORE_CACHE_MB`` is the sum for all; what is not a positive number there is ignored.
    """
    try:
        megabytes = float(os.environ.get("POSECORE_CACHE_MB", ""))
    except ValueError:
        megabytes = 0.0
    return int((megabytes if megabytes > 0 else DEFAULT_MEGABYTES) * 1_000_000 * SHARES[purpose])


@st.cache_resource(show_spinner=False)
def fields_cache() -> ByteCache[Fields]:
    """The fields that all sessions share, by ``Provenance.key``. ``counters.computed`` counts forward passes."""
    return ByteCache(memory_limit("fields"), lambda fields: fields.nbytes)


@st.cache_resource(show_spinner=False)
def drawings_cache() -> ByteCache[bytes]:
    """Encoded pictures of fields, which stay the same while only poses change."""
    return ByteCache(memory_limit("drawings"), len)
