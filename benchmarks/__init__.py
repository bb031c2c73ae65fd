"""Side-by-side measurements against peers. Each module with a `main` is one command; README.md tells the method."""
