"""The report of a study: read from storage, printed, written in Markdown, and drawn as a page."""
