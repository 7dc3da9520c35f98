"""Random problems that are still wrong, and what is: they are the next to be mended, and nothing else may be wrong."""

from __future__ import annotations

#: Seeds of ``tests.metamorphic.drawn``, with what the transformed runs do there.
METAMORPHIC: dict[int, str] = {
    4: "end, residual when run as: reversed_direction",
    22: "lost when run as: affine, decoupled, reversed_direction, runs_on, span_enlarged",
    31: "doubtful, lost, warning when run as: decoupled, runs_on",
    55: "doubtful, warning when run as: runs_on",
    84: "residual when run as: runs_on",
    86: "unexplained when run as: runs_on",
    109: "end, unexplained when run as: runs_on",
    118: "lost, more when run as: decoupled, halved_steps",
    124: "definition, doubtful, end, lost, more, residual, unexplained, warning in 9 of the runs",
    130: "n_unstable, unexplained when run as: span_enlarged",
    131: "residual when run as: runs_on",
    146: "warning when run as: span_enlarged",
    147: "end when run as: runs_on",
    160: "end when run as: runs_on",
    183: "lost when run as: decoupled",
    186: "end when run as: runs_on",
    189: "lost when run as: reversed_direction",
    190: "lost when run as: starts_elsewhere",
    191: "end when run as: runs_on",
    197: "doubtful, n_unstable, unexplained, warning when run as: runs_on",
    203: "end, residual in 8 of the runs",
    208: "definition when run as: runs_on",
    218: "end, lost, n_unstable, unexplained in 7 of the runs",
    219: "residual when run as: runs_on",
    226: "lost, warning when run as: decoupled, halved_steps, reversed_direction, span_enlarged",
    240: "doubtful, end, n_unstable, residual, unexplained, warning when run as: runs_on",
    243: "doubtful, end, lost, residual, warning in 9 of the runs",
    246: "n_unstable, unexplained when run as: runs_on, span_enlarged",
    248: "end when run as: permuted",
    254: "residual when run as: affine",
    260: "doubtful, lost, n_unstable, unexplained, warning in 7 of the runs",
    264: "end when run as: runs_on",
    272: "residual when run as: affine",
    282: "lost when run as: span_enlarged, starts_elsewhere",
    286: "warning in 9 of the runs",
    307: "doubtful, warning when run as: runs_on",
    313: "end when run as: runs_on",
    314: "more when run as: halved_steps, starts_elsewhere",
}

#: Group and seed of ``tests.fold_problems.drawn``.
FOLDS: dict[tuple[str, int], str] = {
    ("mid", 47): "a fold of fourth order (p = -0.3 x^4) is located 2.6e-13 beside 0, more than the test allows",
    ("wide", 49): "ends as UNBOUNDED on a branch that is flat over many decades and bends back later",
    ("wide", 109): "two folds within 5e-11 in p and 1.3e-4 in x are passed in one step that comes from x = 1",
    ("wide", 117): "two folds at x = 1e-3 and 3e-6 are passed in one step that comes from x = 1",
}
