"""What takes time: long scenes by every way to make them, and frames between frames. May import what the evaluation
may."""
