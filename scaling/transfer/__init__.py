"""Carry a prediction to where it was not fitted: another data set, or a downstream error of it."""

from scaling.transfer.fitting import relate as relate
from scaling.transfer.pairs import pair as pair
from scaling.transfer.relation import Relation as Relation
from scaling.transfer.relation import Translated as Translated
