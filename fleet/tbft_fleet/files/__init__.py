"""What is carried between a host and its devices; each is signed, and checked by whoever takes it."""
