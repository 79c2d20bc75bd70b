"""What is said of a run: each fact once, by one rule. Terminal, page and Markdown only set it."""
