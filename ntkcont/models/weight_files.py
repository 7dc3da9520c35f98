"""Reading one file of weights, without ever unpickling: ``.npz``, ``.safetensors``, and PyTorch's tensors."""

from __future__ import annotations

import importlib
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ntkcont.errors import FileFormatError, InputError

_FIRST_SAFE_TORCH = (2, 6)
_ELSEWHERE = {
    ".pkl": "reading a pickle runs whatever code is in it, so it is refused",
    ".pickle": "reading a pickle runs whatever code is in it, so it is refused",
    ".joblib": "reading a pickle runs whatever code is in it, so it is refused",
    ".npy": "a single array has no name; write it with numpy.savez",
    ".ckpt": "if torch wrote it, rename it to .pt",
    ".bin": "if torch wrote it, rename it to .pt",
}


def read_weight_file(path: Path) -> Any:
    """Return what a file of weights holds: arrays by name, or the nested dicts and tensors of a ``.pt`` file.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    FileFormatError
        It is of another kind, damaged, or holds more than plain arrays.
    InputError
        The package that reads such files is not installed.
    """
    reader = _READERS.get(path.suffix.lower())
    if not path.exists():
        msg = f"{path}: there is no such file; check the path"
        raise FileNotFoundError(msg)
    if reader is None:
        known = ", ".join(_READERS)
        why = _ELSEWHERE.get(path.suffix.lower(), "it can be read with your framework, and the pytrees given")
        msg = f"{path}: weights are read from {known}; {why}"
        raise FileFormatError(msg)
    if path.is_dir():
        msg = f"{path}: this is a folder; give a file of weights"
        raise FileFormatError(msg)
    return reader(path)


def read_npz(path: Path) -> dict[str, Any]:
    """Return the arrays of an ``.npz`` file; pickled objects are refused."""
    import numpy as np

    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (AttributeError, TypeError):  # numpy.load returned one bare array
        msg = f"{path} holds a single array without a name; write it with numpy.savez"
        raise FileFormatError(msg) from None
    except FileNotFoundError:
        raise
    except (OSError, ValueError, EOFError, KeyError, NotImplementedError, zlib.error, zipfile.BadZipFile):
        # numpy's own words would advise to unpickle
        msg = f"{path} is not an .npz file of plain arrays, or damaged; write it with numpy.savez"
        raise FileFormatError(msg) from None


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        from safetensors import SafetensorError
        from safetensors.numpy import load_file
    except ImportError:
        msg = f"{path}: safetensors is not installed; pip install 'ntkcont[io]'"
        raise InputError(msg) from None
    try:
        return load_file(path)
    except SafetensorError as error:
        msg = f"{path} is not a .safetensors file, or damaged ({error}); write it with safetensors' save_file"
        raise FileFormatError(msg) from None


def _read_torch(path: Path) -> Any:
    try:
        torch: Any = importlib.import_module("torch")  # Any: type checkers need no torch
    except ImportError:
        msg = (
            f"{path}: torch is not installed; pip install 'ntkcont[torch]', or write the weights with numpy.savez "
            "or safetensors where torch is"
        )
        raise InputError(msg) from None
    version = str(torch.__version__)
    if tuple(int(part) for part in version.split("+")[0].split(".")[:2]) < _FIRST_SAFE_TORCH:
        msg = (
            f"{path}: torch {version} can be made to run code by a file (CVE-2025-32434); upgrade to torch 2.6 or later"
        )
        raise InputError(msg)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except OSError:
        raise
    except Exception as error:  # torch has no error of its own, and its words would advise to unpickle
        if "eights only" in str(error):
            what = "holds Python objects besides tensors, whose reading could run code, or is damaged"
        else:
            what = "is not a file of torch.save, or damaged"
        msg = f"{path} {what}; write it with torch.save(module.state_dict(), path)"
        raise FileFormatError(msg) from None


_READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": read_npz,
    ".safetensors": _read_safetensors,
    ".pt": _read_torch,
    ".pth": _read_torch,
}
SUFFIXES = tuple(_READERS)
