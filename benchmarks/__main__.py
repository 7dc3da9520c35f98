"""Run every benchmark and print the tables."""

from benchmarks import ensemble, kernel, stepping, trajectory


def main() -> None:
    """Print the tables."""
    print("One continuation step, everything included (median of 5 runs, one BLAS thread)")
    print("\n".join(stepping.table()))
    print()
    kernel.main()
    print()
    trajectory.main()
    print()
    print("\n".join(ensemble.table()))


if __name__ == "__main__":
    main()
