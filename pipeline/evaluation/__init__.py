"""The benchmarks: how well the models and the method do, in figures, tables and plots.

May import everything of `pipeline`; nothing that users run imports it.
"""
