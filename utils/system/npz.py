"""NumPy's archives: written without a word where the disk refuses, read with a bound on memory, whatever they say."""

from __future__ import annotations

import errno
import math
import os
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.lib import format as npy

#: What a damaged archive makes Python and NumPy raise; MemoryError is not among them, as the bound comes first.
_DAMAGED = (ValueError, EOFError, KeyError, TypeError, AttributeError, SyntaxError, NotImplementedError, RuntimeError,
            OverflowError, RecursionError, zipfile.BadZipFile, zlib.error)  # fmt: skip


def save_npz(path: str | os.PathLike, arrays: Mapping[str, np.ndarray]) -> None:
    """Write ``arrays`` to ``path`` as ``numpy.savez`` does, byte for byte.

    Where the disk refuses, that leaves an archive half-open, which complains on stderr when it is collected.
    """
    with open(path, "wb") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                npy.write_array(member, np.asanyarray(array), allow_pickle=False)


def read_npz(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of the ``.npz`` file ``path``, by name; never pickled objects.

    Only members as ``numpy.savez`` writes them, not compressed, whose arrays fill them exactly: so nothing takes more
    memory than the file is long. Raises ``ValueError`` when the file is anything else, ``OSError`` when it cannot be
    opened.
    """
    with open(path, "rb") as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                return {info.filename.removesuffix(".npy"): _array(archive, info) for info in archive.infolist()}
        except _DAMAGED as error:
            raise ValueError(str(error) or type(error).__name__) from error
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # that is: an archive that points outside itself
                raise
            raise ValueError("it points outside itself") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as stream:
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{info.filename} has format version {version}")
        read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = read_header(stream)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds Python objects")
        content = stream.read()
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(f"{info.filename} holds {len(content)} bytes, its header says {shape} of {dtype}")
    array = np.frombuffer(content, dtype=dtype) if dtype.itemsize else np.zeros(math.prod(shape), dtype)
    return array.reshape(shape, order="F" if fortran else "C").copy()
