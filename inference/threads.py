"""Blocking calls beside an event loop."""

import asyncio
import concurrent.futures
import threading
from typing import Any


async def in_thread(function: Any, *arguments: Any) -> Any:
    """Run a blocking function in a daemon thread: unlike an executor's, it never holds up the end of the process."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()  # the thread sets its outcome also where nobody waits any more

    def work() -> None:
        try:
            future.set_result(function(*arguments))
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return await asyncio.wrap_future(future)
