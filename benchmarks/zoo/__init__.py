"""Networks of others, tried as a user would: exported, trained for ten steps, held against PyTorch in float64."""
