"""Charts as SVG whose colours are those of the page around them."""
