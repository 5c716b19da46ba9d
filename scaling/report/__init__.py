"""Pages of results in one file that needs no other, and a fit as a paper has it."""

from scaling.report.page import page as page
from scaling.report.paper import latex as latex
from scaling.report.paper import markdown as markdown
from scaling.report.watched import watched as watched
