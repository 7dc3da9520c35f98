"""Run every benchmark and print the tables."""

from benchmarks import kernel, stepping


def main() -> None:
    """Print the tables."""
    print("One continuation step, everything included (median of 5 runs, one BLAS thread)")
    print("\n".join(stepping.table()))
    print()
    kernel.main()


if __name__ == "__main__":
    main()
