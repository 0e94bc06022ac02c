"""Notification: the system says that something has changed in a folder, so that the next look need not be waited for.

It says so of local folders only, and not always there: nothing depends on it. Folders are looked at all the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

from watchfiles import watch

_MOST_FOLDERS = 1_000
"""That are watched; in any others a change is seen at the next look."""
_STEP_MS, _GROUPED_MS, _WAIT_MS = 50, 200, 500
"""What follows a change within a step is told with it, but nothing is held back for longer than the second."""
_MOST_FAILURES = 100
"""A name that is no UTF-8 ends a watch of this library; it is begun again."""
_LEAVING_S = 0.3


class Notices:
    """Of one connection, on the event loop. changed: called there when something has changed, and when watching begins,
    for nobody knows what was before."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._folders: Sequence[str] = ()
        self._stop = threading.Event()
        self._running: set[asyncio.Future[None]] = set()

    def follow(self, folders: Sequence[str]) -> None:
        """These and no others from now on, without what is below them. Returns at once; watching begins a little later,
        or not at all where it cannot be had."""
        folders = folders[:_MOST_FOLDERS]
        if folders == self._folders:
            return
        self._stop.set()
        self._folders, self._stop = folders, threading.Event()
        ended: asyncio.Future[None] = self._loop.create_future()
        self._running.add(ended)
        ended.add_done_callback(self._running.discard)
        # A thread of its own: a folder on another computer may hold up even the wish to watch it.
        threading.Thread(
            target=self._watch, args=(folders, self._stop, ended), name="files notices", daemon=True
        ).start()

    async def close(self) -> None:
        """Ends in a moment, and is not waited for where the folder does not answer."""
        self._stop.set()
        if self._running:
            await asyncio.wait(self._running, timeout=_LEAVING_S)

    def _watch(self, folders: Sequence[str], stop: threading.Event, ended: asyncio.Future[None]) -> None:
        with suppress(OSError, UnicodeError):  # no such system call, too many watches, gone: then there are only looks
            for _ in range(_MOST_FAILURES):
                try:
                    self._tell(folders, stop)
                    break
                except RuntimeError:
                    continue
        self._on_loop(lambda: _end(ended))

    def _tell(self, folders: Sequence[str], stop: threading.Event) -> None:
        changes = watch(
            *folders, watch_filter=None, debounce=_GROUPED_MS, step=_STEP_MS, stop_event=stop, rust_timeout=_WAIT_MS,
            yield_on_timeout=True, raise_interrupt=False, force_polling=False, recursive=False,
            ignore_permission_denied=True,
        )  # fmt: skip
        begun = False
        for found in changes:
            if stop.is_set():
                return
            if found or not begun:
                self._on_loop(self._changed)
            begun = True

    def _on_loop(self, call: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed, after a folder that did not answer
            self._loop.call_soon_threadsafe(call)


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)
