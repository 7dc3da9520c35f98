"""Random problems that are still wrong."""

METAMORPHIC: dict[int, str] = {}
