"""Methods of others that adapt a network to images whose labels nobody knows; one file each."""
