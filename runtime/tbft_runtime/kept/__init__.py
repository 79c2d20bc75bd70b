"""Images of the source domain that came with the bundle: what of them is still known, and how it stays so."""
