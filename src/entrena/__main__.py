"""`python -m entrena`: the command line, where the program `entrena` is not on the path."""

from entrena.cli import main

main()
