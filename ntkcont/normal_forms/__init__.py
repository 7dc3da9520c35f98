r"""Normal forms of special points: which way a branch bends, a cycle bifurcates, a branch point opens.

Notation: F is f(x, p) for flows ``x' = f`` and G(x, p) for maps ``x <- G``; A = F_x at the point, B and C its second
and third derivatives in x (symmetric multilinear forms), F_p its derivative in the free parameter.  q and p are the
right and left critical vectors, ``A q = lambda q``, ``A^T p = conj(lambda) p``, with **<q, q> = 1 and <p, q> = 1**,
``<p, q> = sum conj(p_i) q_i``.  A real q has its largest entry positive (the first of several equal ones); for a
complex one no number below depends on the phase.  L is A for flows, A - I for maps: singular at LP and BP.

===== ==================================================================================================
LP    ``a = <p, B(q, q)>/2`` and ``drive = <p, F_p>``; on the center manifold ``y' = drive (p - p*) + a y^2``
      (maps: ``y <- y + ...``).  Both signs change with q, their product does not: the branch lies at larger p
      (``opens`` = "right") if it is negative, else at smaller p ("left").
H     ``re_g21_half + i im_g21_half = G21/2``,
      ``G21 = <p, C(q, q, q~) - 2 B(q, A^-1 B(q, q~)) + B(q~, (2 i omega - A)^-1 B(q, q))>``
      and ``l1 = Re G21/(2 omega)``, the first Lyapunov coefficient of Kuznetsov (5.34).  ``criticality``:
      "supercritical" (l1 < 0, cycles attract on the center manifold), "subcritical" or "degenerate".
      ``crossing`` is d Re lambda/dp along the branch.
BP    the reduced equation ``b20 y^2/2 + b11 y m + b02 m^2/2 + b30 y^3/6 + ... = 0`` of ``F = 0`` (maps: G - x = 0),
      in ``x = x* + y q + m w + y^2 h/2 + ...``, ``p = p* + m``:
      ``L w = -F_p + <p, F_p> q``, ``L h = -B(q, q) + <p, B(q, q)> q``, ``<q, w> = <q, h> = 0``;
      ``b20 = <p, B(q, q)>``, ``b30 = <p, C(q, q, q) + 3 B(q, h)>``, and b11, b02 the second derivatives along
      (q, 0), (w, 1).  b20 b02 - b11^2 keeps its sign in any coordinates; b30 does where b20 = 0.
      ``type``: "transcritical"; "pitchfork" (b20 = 0) with ``criticality`` "supercritical" (b30 < 0: the branch
      that bends gains the stability that the other loses) or "subcritical"; "isolated" (no branch through the
      point); "degenerate" (two coinciding directions, or b20 = b30 = 0).  ``directions``: the unit tangents (dx, dp)
      of both branches, shape (2, n+1), Euclidean in the units of the model, dp >= 0.
PD    ``b = <p, C(q, q, q) + 3 B(q, (I - A)^-1 B(q, q))>/6`` of ``y <- -y + b y^3``: "supercritical" if b > 0 (the
      orbit of period two attracts on the center manifold).  ``crossing`` is d lambda/dp.
NS    ``d = Re exp(-i theta0) <p, C(q, q, q~) + 2 B(q, (I - A)^-1 B(q, q~))
      + B(q~, (exp(2 i theta0) I - A)^-1 B(q, q))>/2`` with the rotation angle ``theta0`` (rad, in (0, pi)) of the
      multiplier: "supercritical" if d < 0 (the closed invariant curve attracts there).  ``resonance`` is "1:1",
      "1:2", "1:3" or "1:4" within 0.001 rad of 0, pi, 2 pi/3, pi/2, else "none"; within 1e-6 the criticality is
      "resonant", as other terms decide there.  ``crossing`` is d|multiplier|/dp.
NSad  ``k``: the eigenvalues k and -k.  No bifurcation.
BC    ``unit`` (index) and ``name`` of the argument that vanishes and whether it ``rises`` or ``falls`` along s;
      ``det_minus`` and ``det_plus``, the signs of det A (maps: det(I - A)) where it is negative and where it is
      positive, 0 if singular; ``eigenvalues_*`` and ``n_unstable_*`` on both sides.  ``type``: "persistence" (both
      signs agree: the branch goes on in p), "non-smooth fold" (they differ: both halves lie at larger p, ``opens`` =
      "right", or at smaller p, "left"), "degenerate" (one is 0: a continuum of fixed points, see ``note``).  Where
      several units switch at once, ``unit`` and ``name`` are those of all, ``branches`` is the number of half branches
      that leave the point and ``directions`` (b, n+1) are their unit tangents; "several units" if they are not two.
===== ==================================================================================================

All but NSad hold ``kappa = |p||q|/|<p, q>|``, the condition number of the critical eigenvalue: it grows towards points
of codimension two, and all coefficients with it.  Where the critical eigenvalue is multiple there is no such normal
form: ``type`` is then "multiple", with ``kernel_dimension`` (independent critical vectors of that eigenvalue; absent
where eigenvalues of several kinds or frequencies are critical at once), or, with one of them, "defective"
(Bogdanov-Takens and alike); ``note`` says so in words.  With a piecewise linear activation ``type`` is
"piecewise linear".  EP and UZ have none: {}.  A coefficient is taken for zero ("degenerate") where it is below
1e-8 of the terms it is made of; a of a fold and b30 of a pitchfork also where the critical eigenvalue changes a million
times as much along q, at 1 % of a unit of arclength, as they say, and b11 where it changes 1e4 times as much itself (a
point where branches touch is known to the cube root of rounding only).  ``type`` is then "degenerate", ``note`` says
why.

B and C are exact: closed forms for a ``RateRNN``, nested ``jax.jvp`` along the directions needed otherwise, so no
tensor is formed.  Models that JAX can only call back (``Model.from_numba``) have central differences of sixth order of
the compiled Jacobian, over a range of steps; ``accuracy`` is then the relative change between the two steps that agree
best.

References
----------
Yu. A. Kuznetsov, *Elements of Applied Bifurcation Theory*, 3rd ed. (2004): section 5.4 (LP, H, PD, NS; (5.34) for l1),
chapter 9 (strong resonances).
M. di Bernardo, C. J. Budd, A. R. Champneys, P. Kowalczyk, *Piecewise-smooth Dynamical Systems* (2008): border
collisions of maps, chapter 3, and of equilibria, chapter 5.
W. Govaerts, *Numerical Methods for Bifurcations of Dynamical Equilibria* (2000): bordered systems, branching equation.
M. Golubitsky, D. G. Schaeffer, *Singularities and Groups in Bifurcation Theory* I (1985): the reduced equation.
"""

from ntkcont.normal_forms.verb import normal_form

__all__ = ["normal_form"]
