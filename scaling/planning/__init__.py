"""From a law with parameters to what to train next, and with which mixture."""

from scaling.planning.compute import plan as plan
from scaling.planning.experiments import plan_next as plan_next
from scaling.planning.merging import Merge as Merge
from scaling.planning.merging import merge as merge
from scaling.planning.mixture import Mixture as Mixture
from scaling.planning.mixture import own_shares as own_shares
from scaling.planning.mixture_search import mix as mix
from scaling.planning.mixture_search import whole_shares as whole_shares
from scaling.planning.peaks import BestPeak as BestPeak
from scaling.planning.peaks import best_peak as best_peak
from scaling.planning.recipes.recipe import Recipe as Recipe
from scaling.planning.recipes.recipe import recipe as recipe
from scaling.planning.schedules import BestSchedule as BestSchedule
from scaling.planning.schedules import best_schedule as best_schedule
from scaling.planning.told import said as said
from scaling.planning.told import tall as tall
