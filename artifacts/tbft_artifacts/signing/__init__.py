"""Who made a file: Ed25519 keys, and signed statements about files."""
