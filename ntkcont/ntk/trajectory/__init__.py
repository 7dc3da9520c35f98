r"""Kernels of whole trajectories: how the states at all recorded times move with the trainable parameters.

A trial is one trajectory of the model, made by an integrator with fixed steps (a map: by iteration).  Stacked over
trials and recorded times, in the order (trial, time, state), ``J = D_theta z`` has shape (B T n, P), and the kernel is
``W^{1/2} J J^T W^{1/2}`` with the weights W of trials and times.  The derivative is that of the numerical trajectory,
exactly.

References
----------
J. Hazelden, E. Shea-Brown, arXiv:2605.12763, for the kernel; arXiv:2605.08746, for its factors: propagator, immediate
kernel, adjoint propagator.
"""

from ntkcont.ntk.trajectory.linearised import Trajectories

__all__ = ["Trajectories"]
