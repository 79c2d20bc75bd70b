"""How training operators are written with standard ones, one file per operator family."""
