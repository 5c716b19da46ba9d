"""Cells of the guides that call the shell: shown as a shell session, without the notebook's %%bash."""

from docutils import nodes


def shown(app, doctree):
    """Show cells that begin with %%bash as what one would type in a terminal."""
    for block in doctree.findall(nodes.literal_block):
        first, _, rest = block.rawsource.partition("\n") if block.rawsource else block.astext().partition("\n")
        if first.strip() == "%%bash":
            text = "\n".join(f"$ {line}" if line and not line.startswith((" ", "#")) else line for line in rest.splitlines())
            block.replace_self(nodes.literal_block(text, text, language="console", classes=block["classes"]))
