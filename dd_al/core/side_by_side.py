"""Several calls at a time, in threads: XLA compiles and runs outside Python's lock."""

import contextvars
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")
_AGAIN = 0.5  # seconds after which signals are looked for


def side_by_side(calls: Mapping[Key, Callable[[], Result]], workers: int) -> dict[Key, Result]:
    """What the calls return, of which `workers` run at a time, each in a copy of this context, begun in their order.

    The first error is raised here when the calls that are running have come to their ends; no other is begun. For
    KeyboardInterrupt nothing is waited for.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        futures = {key: pool.submit(contextvars.copy_context().run, call) for key, call in calls.items()}
        waiting = set(futures.values())
        while waiting:  # again and again: a signal in the instant before a wait without an end would go unnoticed
            done, waiting = wait(waiting, timeout=_AGAIN, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
    except BaseException as error:
        pool.shutdown(wait=not isinstance(error, KeyboardInterrupt), cancel_futures=True)
        raise
    pool.shutdown()
    return {key: future.result() for key, future in futures.items()}
