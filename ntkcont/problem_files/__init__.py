"""Problem files: a model, its start, a continuation, a kernel and the wanted outputs, written as TOML.

The format is described in ``docs/problem-files.md``.  Problem files come from strangers: text in them is never
evaluated (equations go through the whitelist of ``Model.from_equations``), arrays are read without pickle, and what
they ask to write stays below the folder that the caller chose.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ntkcont.errors import ConvergenceError, InputError, PeerError
from ntkcont.problem_files.compare_table import COMPARE_KEYS, Comparing, read_comparing
from ntkcont.problem_files.model_table import MODEL_KEYS, read_arrays, read_model
from ntkcont.problem_files.table import Table, is_number, is_numbers, is_texts

if TYPE_CHECKING:
    from ntkcont.models.model import Model
    from ntkcont.ntk.evaluator import StateNTK
    from ntkcont.pathfollowing.settings import ContinuationSettings
    from ntkcont.peers.report import Comparison
    from ntkcont.results.branch import Branch

PICTURES = (".png", ".pdf", ".svg")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outputs:
    """What a problem file asks to write; names are relative to the folder that the caller chooses.

    Parameters
    ----------
    npz, csv, diagram, panels : str or None
        The branch file, the table of points, the bifurcation diagram, and the diagram with its kernel panels.
    y, color : str or None
        What the diagram shows and by which signature it is coloured.
    envelope : bool
        Whether the diagram shows the simulated stable cycle beyond Hopf points.
    """

    npz: str | None = None
    csv: str | None = None
    diagram: str | None = None
    panels: str | None = None
    y: str | None = None
    color: str | None = None
    envelope: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Problem:
    """A problem file, read and checked; :meth:`solve` runs it.

    Parameters
    ----------
    title : str
        The title of the file, or its name.
    model : Model
        The model.
    arguments : mapping
        Keyword arguments of :func:`ntkcont.continuation` (``x0``, ``free``, ``p_span``, ...).
    kernel : StateNTK or None
        The kernel to evaluate along the branch.
    outputs : Outputs
        What to write.
    comparing : Comparing
        The other program of ``ntkcont compare`` and its options.
    file : str
        Where it was read, for messages.
    """

    title: str
    model: Model
    arguments: Mapping[str, Any]
    kernel: StateNTK | None = None
    outputs: Outputs = dataclasses.field(default_factory=Outputs)
    comparing: Comparing = dataclasses.field(default_factory=Comparing)
    file: str = ""

    def solve(self, *, progress: bool = False, checkpoint: str | None = None) -> Branch:
        """Run the continuation and return its branch; `progress` and `checkpoint` as for ``continuation``."""
        from ntkcont.pathfollowing.driver import continuation

        try:
            return continuation(self.model, **self.arguments, ntk=self.kernel, progress=progress, checkpoint=checkpoint)
        except (InputError, ConvergenceError) as error:
            msg = f"{self.file}: {error}" if self.file else str(error)
            raise type(error)(msg) from None

    def compare(self, against: str | None = None) -> Comparison:
        """Run the continuation and another program on the same problem, and return the report.

        Parameters
        ----------
        against : {"pydstool", "xpplab"}, optional
            The other program; default the one that the file names.

        Raises
        ------
        InputError
            The file stops the branch early or chooses events, which the other program would not do.
        PeerError
            The other program is missing or failed.
        """
        from ntkcont.peers.compare import compare

        for key in ("stop", "events"):
            if key in self.arguments:
                msg = f"[continuation] {key}: a comparison follows the whole p_span for all events; leave the key out"
                raise InputError(msg)
        peer, within = self.comparing.peer(against), self.comparing.within
        try:
            return compare(self.model, **self.arguments, against=peer, within=within, title=self.title)
        except (InputError, ConvergenceError, PeerError) as error:
            msg = f"{self.file}: {error}" if self.file else str(error)
            raise type(error)(msg) from None


def read_problem(path: str | Path) -> Problem:
    """Read and check a problem file.

    Parameters
    ----------
    path : str or Path
        A TOML file as described in ``docs/problem-files.md``.

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        The file is not TOML, has unknown keys (the message has the nearest ones), or describes no valid problem; the
        message begins with the name of the file.
    OSError
        The file cannot be read.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from ntkcont.problem_files import read_problem
    >>> text = '''
    ... [model.equations]
    ... x = "mu - x**2"
    ... [model.params]
    ... mu = 1.0
    ... [continuation]
    ... x0 = { x = 1.0 }
    ... free = "mu"
    ... p_span = [-1.0, 2.0]
    ... '''
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "fold.toml")
    ...     _ = file.write_text(text)
    ...     problem = read_problem(file)
    >>> problem.model.states
    ('x',)
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_bytes().decode("utf-8"))
    except UnicodeDecodeError as error:
        msg = f"{path}: not a text file in UTF-8 ({error.reason} at byte {error.start}); give a TOML problem file"
        raise InputError(msg) from None
    except tomllib.TOMLDecodeError as error:
        msg = f"{path}: not valid TOML: {error}"
        raise InputError(msg) from None
    try:
        return _problem(data, path)
    except InputError as error:
        msg = f"{path}: {error}"
        raise type(error)(msg) from None


def _problem(data: dict[str, Any], path: Path) -> Problem:
    top = Table(data, "", ("title", "model", "continuation", "kernel", "compare", "outputs"))
    outputs = _outputs(top.table("outputs", Outputs.__dataclass_fields__))
    model_table = top.table("model", MODEL_KEYS, required=True)
    arrays = read_arrays(path.parent / model_table.text("weights")) if "weights" in model_table else {}
    model = read_model(model_table, arrays)
    arguments = _arguments(top.table("continuation", CONTINUATION_KEYS, required=True), model, arrays)
    kernel = _kernel(top.table("kernel", KERNEL_KEYS), arrays) if "kernel" in top else None
    if outputs.panels and kernel is None:
        msg = "[outputs] panels: there is no kernel to show; add a [kernel] table or remove the key"
        raise InputError(msg)
    title = top.text("title", path.stem)
    return Problem(
        title=title,
        model=model,
        arguments=arguments,
        kernel=kernel,
        outputs=outputs,
        comparing=read_comparing(top.table("compare", COMPARE_KEYS)),
        file=str(path),
    )


# -------------------------------------------------------------------- [continuation]

CONTINUATION_KEYS = ("x0", "free", "p_span", "params", "direction", "stop", "events", "settings", "log")


def _arguments(table: Table, model: Model, arrays: Mapping[str, Any]) -> dict[str, Any]:
    span = table.get("p_span", lambda v: is_numbers(v) and len(v) == 2, "two numbers, such as [-1.0, 1.0]")
    arguments: dict[str, Any] = {
        "x0": _start(table, model, arrays),
        "free": table.text("free"),
        "p_span": tuple(span),
        "params": table.numbers_by_name("params") or None,
        "direction": table.text("direction", "both"),
        "settings": _settings(table),
    }
    if "stop" in table:
        arguments["stop"] = tuple(
            table.get(
                "stop",
                lambda v: isinstance(v, list) and len(v) == 2 and isinstance(v[0], str) and type(v[1]) is int,
                'a label and a count, such as ["H", 2]',
            )
        )
    if "log" in table:
        arguments["log"] = tuple(table.get("log", is_texts, 'a list of names, such as ["K"]'))
    if "events" in table:
        arguments["events"] = _events(table, model)
    return arguments


def _start(table: Table, model: Model, arrays: Mapping[str, Any]) -> Any:
    if isinstance(table.data.get("x0"), dict):
        return table.numbers_by_name("x0")
    if "x0" not in table:
        msg = "[continuation] needs the key 'x0': values by state name, a list, or one number for all states"
        raise InputError(msg)
    x0 = table.array("x0", arrays)
    return np.full(model.n, x0) if np.ndim(x0) == 0 else x0


def _events(table: Table, model: Model) -> tuple[Any, ...]:
    from ntkcont.pathfollowing.events import DEFAULT_EVENTS
    from ntkcont.results.labels import canonical

    by_label = {event.label: event for event in DEFAULT_EVENTS[model.kind]}
    labels = table.get("events", is_texts, 'a list of labels, such as ["LP", "H"]')
    for label in labels:
        if canonical(label) not in by_label:
            msg = f"[continuation] events: {label!r} is no event of a {model.kind}; it may be {', '.join(by_label)}"
            raise InputError(msg)
    return tuple(by_label[canonical(label)]() for label in labels)


def _settings(table: Table) -> ContinuationSettings:
    from ntkcont.pathfollowing.settings import ContinuationSettings

    fields = dataclasses.fields(ContinuationSettings)
    settings = table.table("settings", [field.name for field in fields])
    is_text = {field.name for field in fields if isinstance(field.default, str)}
    return ContinuationSettings(
        **{key: settings.text(key) if key in is_text else settings.get(key, is_number, "a number") for key in settings}
    )


# -------------------------------------------------------------------- [kernel], [outputs]

KERNEL_KEYS = ("kernel", "theta", "theta_scale", "state_scale", "conditions", "readout", "k", "device")


def _kernel(table: Table, arrays: Mapping[str, Any]) -> StateNTK:
    from ntkcont.ntk.evaluator import StateNTK

    options: dict[str, Any] = dict(table.data)
    if "theta" in options:
        table.get("theta", lambda v: isinstance(v, str) or is_texts(v), 'a name, a list of names, or "all"')
    for key in ("theta_scale", "state_scale"):
        if key in options and not isinstance(options[key], str | dict):
            options[key] = table.array(key, {})
    if "readout" in options:
        options["readout"] = table.array("readout", arrays)
    return StateNTK(**options)


def _outputs(table: Table) -> Outputs:
    endings = {"npz": (".npz",), "csv": (".csv",), "diagram": PICTURES, "panels": PICTURES}
    chosen: dict[str, Any] = {"envelope": table.flag("envelope", False)}
    for key in ("y", "color"):
        chosen[key] = table.text(key, None)
    for key, allowed in endings.items():
        name = table.text(key, None)
        if name is None:
            continue
        relative = PurePosixPath(name.replace("\\", "/"))
        if relative.is_absolute() or ".." in relative.parts or ":" in name or "\0" in name:
            msg = f"[outputs] {key}: {name!r} would leave the output folder; give a plain relative name"
            raise InputError(msg)
        if relative.suffix.lower() not in allowed:
            msg = f"[outputs] {key}: {name!r} does not end in {' or '.join(allowed)}"
            raise InputError(msg)
        chosen[key] = str(relative)
    files = [chosen[key] for key in endings if chosen.get(key)]
    if len(set(files)) < len(files):
        msg = "[outputs]: two outputs have the same file name; give each its own"
        raise InputError(msg)
    return Outputs(**chosen)
