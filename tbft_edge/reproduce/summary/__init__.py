"""What is shown of a suite's results: pure functions from records to tables and verdicts, on a terminal or a page."""
