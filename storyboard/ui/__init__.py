"""The page: one file per panel, one for the theme, one that puts them together."""
