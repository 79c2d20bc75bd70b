"""Graph rewrites, one per file; `tbft_export.pipeline` says in which order they run."""
