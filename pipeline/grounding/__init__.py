"""Words to a tube: when and where a film shows what they say (TubeDETR, Yang et al. 2022, arXiv 2203.16434).

May import from the picture book and what lies below it. Scenes are searched one by one, so that a film's length costs
no memory; what of a clip does not depend on the words is computed once (`SeenClip`).
"""
