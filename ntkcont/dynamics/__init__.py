"""Trajectories, fixed points and cycles of a model at given parameters."""
