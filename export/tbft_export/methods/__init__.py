"""Methods: what of a network is trained, and with which backward. One file each."""
