"""Public data sets in their authors' own file layout: a path of your clone in, a table of runs out.

Every reader returns a DataFrame whose columns are named as the laws name their inputs (N parameters, D tokens, loss), so that
it can be given to `scaling.fit` as it is, and says in `attrs["note"]` what N, D and the loss count. It raises DataError where
a file, its columns, or the loss or condition that is asked for are not there, and says what is.
"""

from scaling.logs.formats.bhagia import ladder as ladder
from scaling.logs.formats.brandfonbrener import loss_to_loss as loss_to_loss
from scaling.logs.formats.gadre import over_training as over_training
from scaling.logs.formats.gordon import mt_scaling as mt_scaling
from scaling.logs.formats.points import chinchilla_figure as chinchilla_figure
from scaling.logs.formats.points import critical_batch as critical_batch
from scaling.logs.formats.points import isoflops as isoflops
from scaling.logs.formats.regmix import regmix as regmix
from scaling.logs.formats.scalebench import scalebench as scalebench
from scaling.logs.formats.scalebench import scalebench_mixtures as scalebench_mixtures
from scaling.logs.formats.shukor import slimpajama_mixtures as slimpajama_mixtures
