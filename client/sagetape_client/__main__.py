"""`python -m sagetape_client`: the same as `sagetape invoke`."""

from .cli import main

main()
