"""Fine-tuning: one step, evaluation, batch-norm adaptation, and the loop over epochs."""
