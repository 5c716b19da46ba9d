"""What a law is: a plain function with named parameters, their domains, and constants somebody published."""

from scaling.formula.definition import Law as Law
from scaling.formula.definition import law as law
from scaling.formula.definition import laws as laws
from scaling.formula.domains import ANY_POSITIVE as ANY_POSITIVE
from scaling.formula.domains import Amounts as Amounts
from scaling.formula.domains import Bending as Bending
from scaling.formula.domains import Domain as Domain
from scaling.formula.domains import Each as Each
from scaling.formula.domains import EachPositive as EachPositive
from scaling.formula.domains import EachReal as EachReal
from scaling.formula.domains import Exponent as Exponent
from scaling.formula.domains import Parameter as Parameter
from scaling.formula.domains import Positive as Positive
from scaling.formula.domains import Prior as Prior
from scaling.formula.domains import Real as Real
from scaling.formula.domains import Shares as Shares
from scaling.formula.domains import Unit as Unit
from scaling.formula.hooks import Hooks as Hooks
from scaling.formula.names import constants as constants
from scaling.formula.names import find as find
from scaling.formula.published import Published as Published
from scaling.formula.sampling import drawn as drawn
