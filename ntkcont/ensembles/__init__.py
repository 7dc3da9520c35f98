"""Many continuations: specifications, the processes that follow them, and the folder that keeps the branches."""
