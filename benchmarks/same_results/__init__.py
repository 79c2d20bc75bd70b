"""Whether two commits give a user the same: `python -m benchmarks.same_results BASE [OTHER]`.

Both are driven from outside, by the command line and the public names alone, so that files may have moved between
them. Each step is a command with `--json`, run in both trees on the same inputs with one thread:

- bundles and finished models are compared byte by byte,
- the state of a run tensor by tensor, bit for bit,
- JSON key by key: the same keys in the same order, the same values but for what `measured` sets aside,
- exit codes; words of errors may change, and are told,
- public names, their parameters and fields, and the options of each command, which may only grow.
"""
