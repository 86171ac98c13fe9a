"""Memory for large bodies: freed memory is kept, and new memory is not zeroed before it is written.

A large body is allocated and freed for each upload. With glibc's trimming off, the pages are not faulted in again each
time (measured: 6 MiB uploads take 20 to 50 % less processor time, for about 10 MiB of resident memory). Zeroing what
the kernel overwrites at once is another 8 % (measured by sampling); only C can ask for bytes without it.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any, Final

M_TRIM_THRESHOLD: Final = -1  # glibc, malloc.h
M_MMAP_THRESHOLD: Final = -3
TRIM_BYTES: Final = 256 * 1024 * 1024
MMAP_BYTES: Final = 32 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Whether the allocator is glibc's and took the setting. Anything else stays as it is."""
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(M_TRIM_THRESHOLD, TRIM_BYTES) and mallopt(M_MMAP_THRESHOLD, MMAP_BYTES))


def _from_c(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    return ctypes.PYFUNCTYPE(result, *arguments)((name, ctypes.pythonapi))


PYBUF_WRITE: Final = 0x200  # CPython, Include/cpython/object.h and cpython/buffer.h: a view that may be written to
_new_bytes = _from_c("PyBytes_FromStringAndSize", ctypes.py_object, ctypes.c_char_p, ctypes.c_ssize_t)
_address_of = _from_c("PyBytes_AsString", ctypes.c_void_p, ctypes.py_object)
_view_of = _from_c("PyMemoryView_FromMemory", ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)


def unwritten(size_bytes: int) -> tuple[bytes, memoryview]:
    """New bytes of this size, two or more, and the view through which they are written, once, before anybody else sees
    them (docs.python.org/3/c-api/bytes.html allows it for an object just made so). The view does not keep them alive.
    """
    body = _new_bytes(None, size_bytes)
    return body, _view_of(_address_of(body), size_bytes, PYBUF_WRITE)
