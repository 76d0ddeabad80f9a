"""What `search` can do, a command each; ``search/cli.py`` parses and prints."""
