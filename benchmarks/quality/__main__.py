"""`python -m benchmarks.quality` is `python -m benchmarks.quality.run`."""

from benchmarks.quality.run import main

if __name__ == "__main__":
    main()
