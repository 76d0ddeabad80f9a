"""Names and passwords of all that is syntax somewhere."""

FOLDER = """what? a%20b {x} [v2] #;&'"*\\~ ä:,$"""
"""A folder's name: of what is syntax in an address, a pattern, a template or a shell."""

PASSWORD = "s3cret@/:#?% &w{x}'\""
"""A password of what is syntax in an address."""
