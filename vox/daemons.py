"""What the programs that stay share: where their log goes, and how they say what went wrong."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import wraps
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TypeVar

from vox.errors import StoreUnusable, VoxError

LOG_BYTES_MAX = 10 * 2**20
LOG_FILES = 3
INTERRUPTED = 130
_F = TypeVar("_F", bound=Callable[..., Any])
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logs(path: Path, *, show: bool = True) -> None:
    """Write everything to a file that is bounded; show people only what vox itself says, if anything.

    Raises
    ------
    StoreUnusable
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = RotatingFileHandler(path, maxBytes=LOG_BYTES_MAX, backupCount=LOG_FILES, encoding="utf-8")
    except OSError as error:
        raise StoreUnusable(f"cannot write the log {path}: {error.strerror}") from error
    file.setFormatter(logging.Formatter(_LINE))
    shown = logging.StreamHandler(sys.stderr)
    shown.setFormatter(logging.Formatter("%(message)s"))
    shown.addFilter(lambda record: record.name.partition(".")[0] == "vox" and record.exc_info is None)
    root = logging.getLogger()
    root.handlers[:] = [file, shown] if show else [file]
    root.setLevel(logging.INFO)
    # Threads of libraries may die in their own ways; the log is for that, not a terminal.
    threading.excepthook = _log_thread_error


def tell(error: VoxError) -> int:
    """Say an error on stderr in the words for a person; return the exit status."""
    lines = [f"error[{error.code}]: {error.message}"]
    if error.hint:
        lines.append(f"  hint: {error.hint}")
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
    return error.exit_status


def told(function: _F) -> _F:
    """Make a command say errors in words and exit with their status; no traceback reaches a person."""

    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        # gRPC writes to the terminal by itself, and looks at this when it is first used.
        os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
        try:
            return function(*args, **kwargs)
        except VoxError as error:
            sys.exit(tell(error))
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            hint = "check the folder's rights and the disk's space"
            sys.exit(tell(StoreUnusable(f"{where}{error.strerror or error}", hint=hint)))
        except Exception as error:
            if logging.getLogger().handlers:  # else logging would show the traceback on the terminal
                logging.getLogger("vox").critical("a mistake of vox", exc_info=error)
            sys.exit(tell(VoxError(f"vox made a mistake: {error!r}", hint="its log says more")))

    return wrapper  # type: ignore[return-value]


def stop_process(pid: int, timeout_s: float, is_running: Callable[[], bool]) -> bool:
    """Ask a process to end with SIGTERM and wait for it; False when it did not end in time."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return True
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if not is_running():
            return True
        time.sleep(0.05)
    return False


def _log_thread_error(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and args.exc_type is not SystemExit:
        name = args.thread.name if args.thread is not None else "a thread"
        logging.getLogger("vox").error("%s broke", name, exc_info=args.exc_value)
