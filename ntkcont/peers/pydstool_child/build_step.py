"""Stand-ins for ``distutils`` and ``numpy.distutils``: compile PyDSTool's AUTO module with swig and a C compiler.

``distutils`` left Python in 3.12 and ``numpy.distutils`` left NumPy there.  PyDSTool calls ``setup`` with one
``Extension``; here that runs swig, the compiler and the linker.
"""

from __future__ import annotations

import importlib
import os
import platform
import subprocess
import sys
import sysconfig
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

# old NumPy C names in PyDSTool's swig files: present names
_OLD_C_NAMES = {
    "intp": "npy_intp",
    "FARRAY": "NPY_ARRAY_FARRAY",
    "CARRAY": "NPY_ARRAY_CARRAY",
    "NPY_DEFAULT": "NPY_ARRAY_DEFAULT",
    "NPY_FORTRAN": "NPY_ARRAY_F_CONTIGUOUS",
    "NPY_CONTIGUOUS": "NPY_ARRAY_C_CONTIGUOUS",
    "NPY_IN_ARRAY": "NPY_ARRAY_IN_ARRAY",
    "NPY_OWNDATA": "NPY_ARRAY_OWNDATA",
    "NPY_CARRAY": "NPY_ARRAY_CARRAY",
    "NPY_FARRAY": "NPY_ARRAY_FARRAY",
    "FORTRAN": "NPY_ARRAY_F_CONTIGUOUS",
}
_OLD_C_TYPES = (
    *("NOTYPE", "DOUBLE", "FLOAT", "INT", "UINT", "LONG", "ULONG", "SHORT", "USHORT", "BYTE", "UBYTE", "CHAR"),
    *("STRING", "CFLOAT", "CDOUBLE", "OBJECT", "LONGLONG", "ULONGLONG", "LONGDOUBLE", "BOOL", "INTP"),
)


def compiler() -> list[str]:
    """Return the command of the C compiler: ``$CC``, else cc."""
    return os.environ.get("CC", "cc").split()


class Extension:
    """What to build, as PyDSTool describes it."""

    def __init__(self, name: str, sources: Any, **options: Any) -> None:
        self.name, self.sources = name, list(sources)
        self.include_dirs = [folder for folder in options.get("include_dirs", ()) if folder]
        self.library_dirs = list(options.get("library_dirs", ()))
        self.libraries = list(options.get("libraries", ()))
        self.compile_args = list(options.get("extra_compile_args", ()))
        self.link_args = list(options.get("extra_link_args", ()))


def setup(*, script_args: Any = (), ext_modules: Any = (), **_: Any) -> None:
    """Build the modules into the working directory and let Python find them."""
    bases = [Path(arg.split("=", 1)[1]) for arg in script_args if arg.startswith("--build-base=")]
    for extension in ext_modules:
        _build(extension, bases[0] if bases else Path("build"))
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    importlib.invalidate_caches()


def _build(extension: Extension, base: Path) -> None:
    import numpy as np

    headers = [*extension.include_dirs, np.get_include(), sysconfig.get_path("include")]
    include = [f"-I{folder}" for folder in headers]
    objects = base / f"objects_{extension.name}"
    objects.mkdir(parents=True, exist_ok=True)
    # AUTO's C is older than prototypes, and its common blocks are tentative definitions
    flags = ["-fPIC", "-O2", "-fcommon", "-Wno-error=implicit-function-declaration", *extension.compile_args]
    built, commands = [], []
    for index, text in enumerate(extension.sources):
        source, extra = Path(text), []
        if source.suffix == ".i":
            source, extra = _wrapper(source, base, extension.include_dirs), _old_names()
        built.append(str(objects / f"{index}_{source.stem}.o"))
        commands.append([*compiler(), *flags, *include, *extra, "-c", str(source), "-o", built[-1]])
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(_run, commands))
    libraries = [*(f"-L{d}" for d in extension.library_dirs), *(f"-l{name}" for name in extension.libraries), "-lm"]
    module = extension.name + str(sysconfig.get_config_var("EXT_SUFFIX"))
    shared = ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]
    _run([*compiler(), *shared, *built, *extension.link_args, *libraries, "-o", module])


def _wrapper(interface: Path, base: Path, include: list[str]) -> Path:
    """Run swig and return the C file it wrote, where PyDSTool will look for what lies beside it."""
    tag = f"src.{platform.system().lower()}-{platform.machine()}-{sys.version_info[0]}.{sys.version_info[1]}"
    folder = base / tag / os.path.relpath(interface.parent)
    folder.mkdir(parents=True, exist_ok=True)
    wrapped = folder / f"{interface.stem}_wrap.c"
    _run(["swig", "-python", *(f"-I{d}" for d in include), "-outdir", str(folder), "-o", str(wrapped), str(interface)])
    return wrapped


def _old_names() -> list[str]:
    names = {**_OLD_C_NAMES, **{f"PyArray_{name}": f"NPY_{name}" for name in _OLD_C_TYPES}}
    return [f"-D{old}={new}" for old, new in names.items()]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        msg = f"{command[0]} failed: {done.stdout}{done.stderr}"
        raise RuntimeError(msg)


def modules() -> dict[str, Any]:
    """Return stand-ins for ``distutils`` and ``numpy.distutils`` with what PyDSTool imports from them, by name."""
    made: dict[str, Any] = {}
    for package in ("distutils", "numpy.distutils"):
        top: Any = types.ModuleType(package)
        top.__path__ = []
        made[package] = top
        for name in ("core", "sysconfig", "util", "misc_util"):
            part = types.ModuleType(f"{package}.{name}")
            setattr(top, name, part)
            made[f"{package}.{name}"] = part
        made[f"{package}.core"].setup, made[f"{package}.core"].Extension = setup, Extension
    made["distutils.sysconfig"].get_python_inc = lambda *_, **__: sysconfig.get_path("include")
    made["distutils.util"].get_platform = sysconfig.get_platform
    made["numpy.distutils.misc_util"].get_shared_lib_extension = lambda *_, **__: ".so"
    return made
