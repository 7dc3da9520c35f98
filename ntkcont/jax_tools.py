"""How this package uses JAX: float64 always, compiled code kept on disk, one way to choose the device.

The global flags of JAX that change numbers are never touched: precision is a context, ``with x64():``.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from ntkcont.cache_folder import user_cache, writable
from ntkcont.errors import InputError, nearest

# bounds the folder; a bounded cache is also the one that JAX guards by a lock between processes
_CACHE_BYTES = 512 * 1024 * 1024


@functools.cache
def configured_jax() -> Any:
    """Import JAX, point its compilation cache at our folder unless the user chose one, and return the module."""
    import jax

    config: Any = jax.config
    if config.jax_compilation_cache_dir is None:
        folder = writable(user_cache() / "jax")
        config.update("jax_compilation_cache_dir", str(folder))
        if config.jax_persistent_cache_min_compile_time_secs == 1.0:  # JAX's default: skips all our functions
            config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        if getattr(config, "jax_compilation_cache_max_size", None) == -1:
            config.update("jax_compilation_cache_max_size", _CACHE_BYTES)
    return jax


@contextlib.contextmanager
def x64() -> Iterator[None]:
    """Let JAX compute in float64 inside this context; return numpy arrays from it, never JAX arrays.

    Examples
    --------
    >>> from ntkcont.jax_tools import x64
    >>> with x64():
    ...     import jax.numpy as jnp
    ...     jnp.zeros(2).dtype
    dtype('float64')
    """
    jax = configured_jax()
    enable = getattr(jax, "enable_x64", None)
    if enable is None:  # before JAX 0.8
        from jax.experimental import enable_x64 as enable  # pyright: ignore[reportAttributeAccessIssue]
    with enable(True):
        yield


def device(choice: Any = None) -> Any:
    """Return the JAX device to compute on.

    Parameters
    ----------
    choice : {None, "cpu", "gpu"} or jax.Device
        None: the first GPU if JAX has one, else the CPU.

    Returns
    -------
    jax.Device

    Raises
    ------
    InputError
        A GPU was asked for and JAX has none, or `choice` is no device.

    Examples
    --------
    >>> from ntkcont.jax_tools import device
    >>> device("cpu").platform
    'cpu'
    """
    jax = configured_jax()
    if isinstance(choice, jax.Device):
        return choice
    if choice not in (None, "cpu", "gpu"):
        msg = f"device: {choice!r} is unknown; {nearest(str(choice), ('cpu', 'gpu'))} None takes a GPU if there is one"
        raise InputError(msg)
    if choice != "cpu":
        try:
            return jax.devices("gpu")[0]
        except RuntimeError:  # how JAX says that there is none
            if choice == "gpu":
                msg = (
                    "device: 'gpu' was asked for, but JAX sees no GPU; install it with pip install 'ntkcont[cuda]', "
                    "or give device='cpu' or None"
                )
                raise InputError(msg) from None
    return jax.devices("cpu")[0]
