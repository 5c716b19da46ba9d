"""The estimation procedures of papers: what they did with fits and tables, step by step."""

from scaling.procedures.bowls import settings as settings
