"""`python -m scaling` is the command line `scaling`."""

import sys

from scaling.cli import main

sys.exit(main())
