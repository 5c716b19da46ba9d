"""Pages of results: the report of a fit in one file that needs no other."""

from scaling.report.page import page as page
