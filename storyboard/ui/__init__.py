"""The page: one file per panel, one for the theme, one that puts them together.

May import `interfaces` and the studio; nothing imports it but the app.
"""
