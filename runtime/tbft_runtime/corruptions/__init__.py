"""The common corruptions of Hendrycks & Dietterich, "Benchmarking Neural Network Robustness" (ICLR 2019)."""
