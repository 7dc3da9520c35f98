"""Training seen as a continuation: the fixed points of a network along its training run."""
