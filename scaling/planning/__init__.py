"""From a law with parameters to what to train next."""

from scaling.planning.compute import plan as plan
