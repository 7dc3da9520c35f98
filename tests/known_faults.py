"""Random problems that are still wrong, and what is: they are the next to be mended, and nothing else may be wrong."""

from __future__ import annotations

#: Seeds of ``tests.metamorphic.drawn``, with what the transformed runs do there.
METAMORPHIC: dict[int, str] = {
    22: "lost when run as: reversed_direction, starts_elsewhere",
    51: "end in 2 of the runs",
    55: "doubtful NSad when run as: runs_on",
    124: "definition, end in 9 of the runs",
    147: "end when run as: runs_on (a state turns back where the scale of p is 1e9 times its way)",
    203: "end, residual in 10 of the runs",
    208: "definition when run as: runs_on",
    226: "lost when run as: affine, decoupled, halved_steps, span_enlarged",
    240: "end, residual when run as: runs_on",
    243: "lost when run as: halved_steps",
    255: "end in 5 of the runs",
}

#: Group and seed of ``tests.fold_problems.drawn``.
FOLDS: dict[tuple[str, int], str] = {
    ("mid", 47): "a fold of fourth order (p = -0.3 x^4) is located 2.6e-13 beside 0, more than the test allows",
    ("wide", 109): "two folds within 5e-11 in p and 1.3e-4 in x are passed in one step that comes from x = 1",
}
