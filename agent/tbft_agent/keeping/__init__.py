"""Recent images that stay on the device, and what somebody said of them."""
