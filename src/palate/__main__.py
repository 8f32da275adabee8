"""``python -m palate``: the command without its script."""

from palate.cli import main

main()
