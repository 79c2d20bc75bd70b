"""The contract between host and device: what a bundle is, how it is written, read and checked."""
