"""What Sphinx needs to know. `make docs` builds the pages; a warning is an error, and so is a dead link inside."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for `made`, which writes the pages that come from the code
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # cells call `scaling`
os.environ["COLUMNS"] = "84"
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))  # for `shell`

import made  # noqa: E402, I001
import scaling  # noqa: E402

project, author, copyright = "scaling", "The scaling authors", "the scaling authors"
version = release = scaling.__version__
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx_design"]
exclude_patterns = ["_build", "made", "measured", "jupyter_execute"]

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "auto"  # guides run when the pages are built; notebooks come executed
nb_execution_excludepatterns = ["gallery/*.ipynb"]
nb_execution_in_temp = True
nb_execution_timeout = 120
nb_execution_raise_on_error = True
nb_merge_streams = True

default_role = "code"
autodoc_typehints = "none"  # types stand in the docstrings, in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_show_inherited_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "scaling"
html_static_path = ["_static"]
html_css_files = ["scaling.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": False,
}
# pages with none below them: the panel at the side would be empty
html_sidebars = {
    page: []
    for page in (
        "start", "generated/which_law", "generated/figures", "generated/forecasts", "conventions", "contributing", "changelog",
    )
}  # fmt: skip
html_context = {"default_mode": "auto"}


def setup(app):
    app.connect("builder-inited", lambda app: made.write(HERE / "generated"))
    app.connect("autodoc-process-docstring", made.docstrings.plain, priority=100)  # numpydoc comes later
    app.connect("doctree-read", made.cells.shown)
