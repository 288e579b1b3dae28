"""The documentation: pages in Markdown, and the functions that write the reference from the code."""
