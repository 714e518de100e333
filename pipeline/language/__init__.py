"""What the text filter knows of language: words, phrases, mentions, and when two mentions match."""
