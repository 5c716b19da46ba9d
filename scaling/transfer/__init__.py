"""Carry a prediction to where it was not fitted: another data set, a downstream error, another share of a language.

These are the estimates that take more than one fit. Each takes rows or `Fit`s and returns a small object that holds the fits it
is made of, so that nothing of the road logs -> Runs -> Fit -> Forecast is bypassed.
"""

from scaling.transfer.chain import Chain as Chain
from scaling.transfer.chain import predictable as predictable
from scaling.transfer.families import Family as Family
from scaling.transfer.families import family as family
from scaling.transfer.independence import Independence as Independence
from scaling.transfer.independence import independence as independence
from scaling.transfer.pairs import pair as pair
from scaling.transfer.relation import Relation as Relation
from scaling.transfer.relation import relate as relate
from scaling.transfer.translation import Translated as Translated
