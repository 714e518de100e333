"""Edits of regions of a clip that is there: regions, words for them, and how the clip comes to show these.

May import the method's modules, `reference` and `picturebook`; knows nothing of how regions are found in time.
"""
