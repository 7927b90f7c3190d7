"""The nouns of the field: addresses, traffic, security groups, findings. Frozen values, standard library only."""
