"""What prompts ask of single scenes: shots, and pictures with which they begin. May import what the evaluation may."""
