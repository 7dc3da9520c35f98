"""Training steps from the names of files: ``step_1400.npz`` is step 1400."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ntkcont.errors import InputError

# the earlier one counts where a name has several
_WORDS = ("step", "iteration", "iter", "it", "update", "epoch", "ep", "checkpoint", "ckpt")
_AFTER_WORD = {word: re.compile(rf"(?<![a-z]){word}s?[ _.=\-]*(\d+)", re.IGNORECASE) for word in _WORDS}
_DIGITS = re.compile(r"\d+")


def steps_of(paths: Sequence[Path]) -> list[int]:
    """Return the training step that each name says.

    It is the number after a word such as step, iteration, epoch or checkpoint, or else the only number, or the only
    one that differs between the files.  Where all files have the same name, their folders' names are read; a single
    file without a number is step 0.

    Raises
    ------
    InputError
        A name says no step, or it is not clear which number is meant.

    Examples
    --------
    >>> from pathlib import Path
    >>> from ntkcont.models.step_names import steps_of
    >>> steps_of([Path("run2-step0100.npz"), Path("run2-step0200.npz")])
    [100, 200]
    """
    names = [path.name.removesuffix(path.suffix) for path in paths]
    if len(names) > 1 and len(set(names)) == 1:
        names = [path.parent.name for path in paths]
    for pattern in _AFTER_WORD.values():
        found = [pattern.search(name) for name in names]
        if all(found):
            return [int(match[1]) for match in found if match]
    numbers = [[int(digits) for digits in _DIGITS.findall(name)] for name in names]
    if len(numbers) == 1 and not numbers[0]:
        return [0]
    for path, each in zip(paths, numbers, strict=True):
        if not each:
            msg = f"steps: the name {path.name!r} says no training step; leave the file out, or give steps=[...]"
            raise InputError(msg)
    if len({len(each) for each in numbers}) == 1:
        columns = list(zip(*numbers, strict=True))
        differ = [column for column in columns if len(set(column)) > 1] if len(names) > 1 else columns
        if len(differ) == 1:
            return list(differ[0])
    msg = (
        f"steps: it is not clear which number of {paths[0].name!r} is the training step; give steps=[...], one per file"
    )
    raise InputError(msg)
