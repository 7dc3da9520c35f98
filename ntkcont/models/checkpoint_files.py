"""The checkpoints of a training run, read from files or taken from memory, in the order of training."""

from __future__ import annotations

import dataclasses
import glob
import itertools
import numbers
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ntkcont.errors import InputError, nearest
from ntkcont.models.step_names import steps_of
from ntkcont.models.weight_files import SUFFIXES, read_weight_file
from ntkcont.models.weight_trees import check_same_shapes, leaf_shapes, plain_weights

Pick = str | Callable[[Any], Any] | None


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Checkpoints(Sequence[Any]):
    """Weights of a network at increasing training steps: a sequence of pytrees of numpy arrays.

    Made by :func:`ntkcont.load_checkpoints`.  A slice is again of this type, ``checkpoints[::10]``.

    Attributes
    ----------
    steps : ndarray, shape (K,)
        The training steps, increasing.
    weights : tuple of K pytrees
        The weights; all have the same leaves and shapes.
    names : tuple of str
        Where each came from, such as the name of its file.
    """

    steps: NDArray[Any]
    weights: tuple[Any, ...]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.weights)

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Checkpoints: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return Checkpoints(steps=self.steps[index], weights=self.weights[index], names=self.names[index])
        return self.weights[index]

    def __repr__(self) -> str:
        if not self.weights:
            return "Checkpoints: none"
        shapes = [
            f"{name} {shape}".strip() for name, shape in leaf_shapes(self.weights[0]).items() if shape is not None
        ]
        shown = ", ".join(shapes[:6]) + (", ..." if len(shapes) > 6 else "")
        return f"Checkpoints: {len(self)} from step {self.steps[0]} to {self.steps[-1]}; {shown}"


def load_checkpoints(source: Any, *, steps: ArrayLike | None = None, pick: Pick = None) -> Checkpoints:
    """Read the checkpoints of a training run: files of weights, or pytrees that are in memory.

    Nothing is ever unpickled: ``.pt`` and ``.pth`` files are read with ``weights_only=True``.

    Parameters
    ----------
    source : path-like, sequence or mapping
        - a folder with files of one kind (``.npz``, ``.safetensors``, ``.pt``, ``.pth``), a pattern such as
          ``"run/step_*.npz"``, or a list of files;
        - a list of pytrees: dicts of arrays or tensors such as PyTorch's ``state_dict()``, Flax's params, Equinox
          modules, nested lists and tuples of arrays;
        - a mapping from training steps to files or pytrees, ``{0: w0, 100: w1}``;
        - one file, in which ``torch.save`` wrote a list of such pytrees, or such a mapping.
    steps : array_like, shape (K,), optional
        Training steps.  Default: those that the names of the files say (``step_1400.npz``), the keys of a mapping, or
        0, 1, 2, ... of pytrees.  Given ones belong to the files of a folder in the order of their names, with numbers
        in them compared as numbers.
    pick : str or callable, optional
        What of each checkpoint are the weights: a key, such as "model_state_dict", or a function of what was read.
        Default: everything.

    Returns
    -------
    Checkpoints
        In the order of their steps.  Mappings are plain dicts, leaves read-only numpy arrays, floating-point ones in
        float64; ``nc.TrainingPath`` takes them as they are.

    Raises
    ------
    FileNotFoundError
        There is no such file, or a pattern matches none.
    FileFormatError
        A file is damaged, of another kind, or holds Python objects besides arrays.
    InputError
        Shapes differ between checkpoints (with the leaf and the checkpoint), two have the same step, a name says no
        step, a weight is complex or not finite, or a package is missing (``pip install 'ntkcont[io]'`` for safetensors,
        ``'ntkcont[torch]'`` for ``.pt`` files).

    Examples
    --------
    >>> import numpy as np
    >>> import ntkcont as nc
    >>> for step in (0, 50, 100):
    ...     np.savez(f"step_{step}.npz", W=np.full((2, 2), 0.01 * step))
    >>> checkpoints = nc.load_checkpoints("step_*.npz")
    >>> checkpoints
    Checkpoints: 3 from step 0 to 100; W (2, 2)
    >>> checkpoints[-1]["W"]
    array([[1., 1.],
           [1., 1.]])
    >>> nc.load_checkpoints([{"W": np.eye(2)}, {"W": 2 * np.eye(2)}], steps=[0, 10]).steps
    array([ 0, 10])
    """
    values, names, found = _items(source)
    if not values:
        msg = f"source: {source!r} holds no checkpoints; give files or pytrees"
        raise InputError(msg)
    if steps is not None:
        found = _given_steps(steps, len(values))
    elif found is None:
        paths = [value for value in values if isinstance(value, Path)]
        found = steps_of(paths) if paths else range(len(values))
    entries = []
    for step, name, value in zip(found, names or [f"checkpoint {step}" for step in found], values, strict=True):
        raw = read_weight_file(value) if isinstance(value, Path) else value
        entries.append((step, plain_weights(_picked(raw, pick, name), name), name))
    return _ordered(entries)


class _Items(NamedTuple):
    """Files (as paths) or pytrees, their names and steps where the source says them."""

    values: list[Any]
    names: list[str] | None = None
    steps: Sequence[float] | None = None


def _items(source: Any) -> _Items:
    if isinstance(source, str | os.PathLike):
        return _files(os.fspath(source))
    if isinstance(source, Mapping):
        return _by_step(source)
    if isinstance(source, Checkpoints):
        return _Items(list(source), list(source.names), source.steps.tolist())
    if not isinstance(source, Iterable) or hasattr(source, "shape"):
        got = type(source).__name__
        msg = f"source: {got} was given; give a folder, a list of files or pytrees, or {{step: weights}}"
        raise InputError(msg)
    items = list(source)
    files = [isinstance(item, str | os.PathLike) for item in items]
    if not any(files):
        return _Items(items)
    if not all(files):
        msg = "source: files and pytrees are mixed; give a list of the one or of the other"
        raise InputError(msg)
    return _paths([_path(item) for item in items])


def _paths(paths: list[Path]) -> _Items:
    return _Items(list(paths), [str(path) for path in paths])


def _path(item: Any) -> Path:
    return Path(item).expanduser()


def _by_step(source: Mapping[Any, Any]) -> _Items:
    for key in source:
        if not _is_step(key):
            msg = (
                f"source: a mapping with the key {key!r} was given; keys must be training steps, {{0: weights, ...}}. "
                "Give the weights of several steps in a list"
            )
            raise InputError(msg)
    values = [_path(value) if isinstance(value, str | os.PathLike) else value for value in source.values()]
    named = zip(source, values, strict=True)
    names = [str(value) if isinstance(value, Path) else f"checkpoint {step}" for step, value in named]
    return _Items(values, names, [_number(key) for key in source])


def _number(step: Any) -> float:
    return int(step) if float(step).is_integer() else float(step)


def _files(text: str) -> _Items:
    path = _path(text)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()]
        kinds = sorted({file.suffix.lower() for file in files})
        if not files:
            msg = f"{path}: no files of weights ({', '.join(SUFFIXES)}) are in this folder"
            raise FileNotFoundError(msg)
        if len(kinds) > 1:
            pattern = str(path / f"*{kinds[0]}")
            msg = f"{path}: files of several kinds are in this folder ({', '.join(kinds)}); give a pattern, {pattern!r}"
            raise InputError(msg)
        return _paths(sorted(files, key=_natural))
    if not path.exists() and glob.has_magic(str(path)):
        files = [Path(file) for file in glob.glob(str(path), recursive=True)]
        if not files:
            msg = f"{text}: no file matches this pattern; check the path"
            raise FileNotFoundError(msg)
        return _paths(sorted(files, key=_natural))
    content = read_weight_file(path)
    if isinstance(content, list | tuple):
        return _Items(list(content))
    if isinstance(content, Mapping) and content and all(map(_is_step, content)):
        return _by_step(content)
    return _Items([content], [str(path)], steps_of([path]))


def _is_step(key: Any) -> bool:
    return isinstance(key, numbers.Real) and not isinstance(key, bool)


def _natural(path: Path) -> list[Any]:
    """Sort numbers in names as numbers."""
    parts = re.split(r"(\d+)", str(path))
    return [int(part) if part.isdigit() else part for part in parts]


def _given_steps(steps: ArrayLike, count: int) -> list[float]:
    try:
        array = np.array(steps, dtype=float)
    except (TypeError, ValueError):
        array = np.zeros(0)
    if array.shape != (count,) or not np.all(np.isfinite(array)):
        msg = f"steps: {steps!r} was given; give one finite number for each of the {count} checkpoints"
        raise InputError(msg)
    return [_number(step) for step in array]


def _picked(raw: Any, pick: Pick, name: str) -> Any:
    if pick is None:
        return raw
    if isinstance(pick, str):
        if not isinstance(raw, Mapping) or pick not in raw:
            keys = list(raw) if isinstance(raw, Mapping) else []
            hint = nearest(pick, keys) if keys else f"it is {type(raw).__name__}, which has no keys"
            msg = f"pick: {pick!r} is not in {name}; {hint}"
            raise InputError(msg)
        return raw[pick]
    if not callable(pick):
        msg = f"pick: {pick!r} was given; give a key, or a function of what was read"
        raise InputError(msg)
    try:
        return pick(raw)
    except Exception as error:
        msg = f"pick: the function failed on {name} ({type(error).__name__}: {error}); it must return the weights"
        raise InputError(msg) from error


def _ordered(entries: list[tuple[float, Any, str]]) -> Checkpoints:
    """Return the checkpoints in the order of their steps, once they fit together."""
    entries = sorted(entries, key=lambda entry: entry[0])
    for (step, _, one), (following, _, two) in itertools.pairwise(entries):
        if step == following:
            msg = f"steps: {one} and {two} both have the step {step}; give steps=[...], one per checkpoint"
            raise InputError(msg)
    _, first, name = entries[0]
    if all(shape is None for shape in leaf_shapes(first).values()):
        msg = f"{name}: it holds no arrays; give the weights"
        raise InputError(msg)
    for _, other, its_name in entries[1:]:
        check_same_shapes(first, other, (name, its_name))
    steps, weights, names = zip(*entries, strict=True)
    array = np.array(steps)
    array.setflags(write=False)
    return Checkpoints(steps=array, weights=weights, names=names)
