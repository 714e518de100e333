"""Errors that are shown to a user: one line, naming the value and what was expected."""


class ThroughlineError(ValueError):
    """Bad input: the message names the offending value and what was expected instead."""


class WeightsError(ThroughlineError):
    """Model weights that are missing, damaged, not the expected ones, or not safetensors."""


class TooLongError(ThroughlineError):
    """A text with more tokens than the text encoder takes."""
