"""What to run next, and with which mixture."""

from scaling.planning.mixture import Mixture as Mixture
from scaling.planning.mixture import own_shares as own_shares
from scaling.planning.mixture import search as search
