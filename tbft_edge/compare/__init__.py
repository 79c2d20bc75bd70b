"""Methods side by side: `tbft-edge compare` trains each on the same data, and shows what each gains and costs."""
