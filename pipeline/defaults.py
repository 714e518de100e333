"""What a scene is made with unless somebody says otherwise, and the names of what can be chosen. Imports no torch."""

from __future__ import annotations

HEIGHT, WIDTH = 96, 144  # pixels, of the embedded model
NUM_FRAMES, FRAMES_PER_SECOND = 17, 8
PERIOD = 4  # frames that every latent frame after the first stands for
STEPS = 24
TEXT, HISTORY = 3.0, 3.0  # w1 and w2
FOLLOWED = 1  # version of the way in which scenes follow what was taught, as takes tell of it

MEMORIES = ("auto", "fast", "balanced", "low")  # what a large model may save on, most memory first
WEIGHTS = ("auto", "full", "int8", "float8")  # what a large model keeps its weights in
HISTORIES = ("trained", "reference", "off")  # how the past is remembered
SPEEDS = ("exact", "fast")
WAYS = (
    "windows",
    "streamed",
    "pieces",
    "low-rate",
    "key-frames",
)  # how a scene longer than a model makes at once is made
