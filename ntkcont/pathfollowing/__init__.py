"""Following branches: stepping, detection, location; the verbs are in ``driver``."""
