"""From a law with parameters to what to train next."""
