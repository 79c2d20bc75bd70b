"""`python -m tbft_edge`."""

from tbft_edge.main import main

main()
