"""Early exits: classifiers at depths of a frozen network."""
