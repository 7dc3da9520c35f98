r"""State-space neural tangent kernels of equilibria, and what they say near bifurcations.

Notation: the flow ``z' = f(z; theta)`` or map ``z <- f(z; theta)`` at rest; ``A = D_z f``, ``J = A`` for flows,
``A - I`` for maps, ``F = D_theta f``.  Trainable parameters move the equilibrium by ``S = D_theta z* = -J^{-1} F``; the
kernel is ``K = S S^T``, with eigenvalues e_1 >= e_2 >= ... and trace sum e_i.  States and parameters are measured in
the scales given to :class:`StateNTK`; with "relative" nothing below changes between volts and millivolts.

Signatures (arrays with one row per point; K here is the kernel that was asked for):

====================== =====================================================================================
``eigenvalues``        the first k of them, shape (points, k)
``top``, ``trace``     e_1 and sum e_i
``participation_ratio`` (sum e)^2 / sum e^2, called effective rank in the literature
``entropy_rank``       exp(-sum p ln p), p = e / sum e
``stable_rank``        trace / top;  always stable <= participation <= entropy <= rank
``top_fraction``       top / trace
``gap``                e_1 / e_2, inf for rank one, nan for a one-row kernel
``condition``          e_1 / e_min, inf for a kernel without full rank (values beyond 1e14 are rounding)
``lambda_0``           eigenvalue of A nearest to singularity (0 for flows, 1 for maps), complex: rules K
``lambda_c``           eigenvalue of A nearest to the stability boundary (imaginary axis, unit circle), complex;
                       plot its real part (flows) or modulus (maps); of a pair the one with Im > 0, here as above
``omega_c``            its frequency: Im lambda_c (flows), arg lambda_c (maps; pi at a period doubling)
``kappa``              |w||v| / |w* v|, condition number of lambda_c, with A v = lambda v, w* A = lambda w*
``kappa_0``            the same of lambda_0
``g``                  bordered test function, zero where J is singular: -1/(c^T J^{-1} b), with the borders
                       c and b along v and w of lambda_0 (|b| = |c| = 1, b^T c >= 0); close to -lambda_0/kappa_0
                       for small lambda_0; nan where lambda_0 is complex
``ratio``              top |lambda_0|^2 / (|v|^2 |F* w|^2) with w* v = 1 (maps: |1 - lambda_0|): tends to 1 where
                       lambda_0 dominates; for a resolvent kernel as ratio_resolvent; nan where F* w = 0
``ratio_resolvent``    the same of top_resolvent, with the distance of lambda_c from the stability boundary
``top_arc``            largest eigenvalue with the equilibrium moving at fixed arclength: bounded at folds,
                       diverging at branch points; nan without a free parameter.  Its metric is the sum of squares
                       of the scaled states and of the scaled free parameter
``top_resolvent``      largest eigenvalue of R F F^T R*, R = (s I - A)^{-1}, s on the stability boundary next to
                       lambda_c: the response to parameters modulated at omega_c; diverges at Hopf points
``align_state``        |cos| between the top eigenvector and v of lambda_0 (complex: the plane of Re v and Im v;
                       with a readout C v)
``align_theta``        |cos| between the top parameter direction S^T u and the drive F^T w; nan where F* w = 0
``lr_crit``            2 / top, where plain gradient descent on half the squared distance to a target turns unstable
``singular``           whether J is singular to rounding; then top and trace are inf, the rest of K nan
====================== =====================================================================================

Trajectory kernels add those of the bifurcation channel, nan unless one eigenvalue (pair) is simple and at least twice
as near to the stability boundary as all others (:func:`channels` has more, without that condition):

====================== =====================================================================================
``f_par``              share of the critical directions of theta, \|J G\|^2 / \|J\|^2 (Frobenius): drive F^T w and
                       growth D_theta lambda; growth and frequency of a complex pair
``f_st``, ``chi``      with J = J_b + J_r by the spectral projector v w*: \|J_b\|^2 / (\|J_b\|^2 + \|J_r\|^2), and the
                       cross term 2 <J_b, J_r> / \|J\|^2; nan with a readout
``trace_error``, ...   standard errors of trace, participation_ratio and entropy_rank where they are estimates, else 0
``probes``, ``products`` random vectors and products with the kernel that the estimates took; 0 for dense matrices
``nf_error``           relative error of the normal-form kernel (v kron s) gamma^T gamma (v kron s)^T against the
                       restricted kernel (J G)(J G)^T; nan with time-dependent inputs
====================== =====================================================================================

K = 0 (a network at z* = 0 with only W in theta) gives nan for every ratio.  With `conditions` the equilibria are
stacked, and lambda_0, lambda_c and their vectors belong to the condition where they are nearest to critical.

At special points, ``point.ntk`` holds the same names as limits, and the factors of the bordered split of the matrix L
that is singular there (J at LP and BP, ``A + I`` at PD, ``A - i omega I`` at H, ``A - e^{i omega} I`` at NS): with
``M = [[L, b], [c*, 0]]`` and ``M^{-1} = [[X, v], [w*, g]]``, ``L^{-1} = X - v w*/g``; ``XF``, ``wF``, ``g`` and ``v``
are bounded.  For a network, F is replaced by a square factor with the same ``F F^T``.

With ``StateNTK(exponents=True)`` they also hold how the kernels grow in ``|p - p*|``, in arrays of shape (2,), before
and after the point along the branch: ``exponent``, ``exponent_resolvent`` and ``exponent_arc`` of the largest
eigenvalues of the equilibrium, resolvent and arclength kernels (inf where one is exactly zero), beside
``predicted_exponent``, ``predicted_exponent_resolvent`` and ``predicted_exponent_arc``; ``diverges``, the names of the
kernels that diverge; ``diverging_rank``, of how many real eigenvalues (two of a complex pair);
``near_participation_ratio``, ``near_align_state`` and ``near_align_theta`` of the diverging kernel at the nearest
point.  :func:`signature_table` prints them by type of bifurcation.

References
----------
J. Hazelden, E. Shea-Brown, arXiv:2605.12763: the kernel and its collapse at bifurcations.
W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000), chapter 3: bordered matrices.
Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory* (2004), chapters 5 and 10: critical vectors and normal forms.
"""

from ntkcont.ntk.channels.verb import Channels, channels
from ntkcont.ntk.evaluator import StateNTK
from ntkcont.ntk.learning import BifurcationsAhead, LearningReport, SlowMode, learning_report
from ntkcont.ntk.natural_gradient import LowRankState, low_rank_natural_gradient
from ntkcont.ntk.plane import parameter_plane
from ntkcont.ntk.sensitivity import BranchPointSensitivity, sensitivity
from ntkcont.ntk.signature_table import SignatureRow, SignatureTable, signature_table

__all__ = [
    "BifurcationsAhead",
    "BranchPointSensitivity",
    "Channels",
    "LearningReport",
    "LowRankState",
    "SignatureRow",
    "SignatureTable",
    "SlowMode",
    "StateNTK",
    "channels",
    "learning_report",
    "low_rank_natural_gradient",
    "parameter_plane",
    "sensitivity",
    "signature_table",
]
