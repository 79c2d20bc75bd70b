"""What merging what several devices learned gives, and costs."""
