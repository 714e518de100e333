"""What the story benchmark found, as tables, plots, contact sheets and a page of Markdown.

May import `pipeline.evaluation.story`, which does not import this.
"""
