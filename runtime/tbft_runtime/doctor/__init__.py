"""Is this board fit to train? One check per question, each with an answer and, if it is no, a hint."""

from tbft_runtime.doctor.checks import Check, examine

__all__ = ["Check", "examine"]
