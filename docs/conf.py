"""How Sphinx builds the documentation: `make docs`. Everything a page needs is in the build; nothing is fetched."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

import roost  # noqa: E402
from docs.generate import dask_stand_in, schema_files  # noqa: E402

dask_stand_in.install()

project = "Roost"
author = "The Roost founders"
project_copyright = "2026, the Roost founders"
release = version = roost.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "docs.generate"]
exclude_patterns = ["_build", "_generated"]
source_suffix = {".md": "markdown"}
root_doc = "index"
default_role = "code"  # what docstrings put into single backticks
smartquotes = False  # "--json" is two hyphens

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

nitpicky = True
# Types of other packages have no page here, and fetching their inventories would need a network.
nitpick_ignore_regex = [(r"py:.*", r"(?!roost\b).*")]
autodoc_preserve_defaults = True  # "os.environ", not what is in it where this is built
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
autodoc_typehints = "signature"
autodoc_default_options = {"members": True, "exclude-members": "__init__, __new__"}
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "Roost"
html_static_path = ["_static"]
html_css_files = ["roost.css"]
html_extra_path = [str(schema_files())]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0f6a66", "color-brand-content": "#0f6a66"},
    "dark_css_variables": {"color-brand-primary": "#5cc8c0", "color-brand-content": "#5cc8c0"},
}
