"""The film of a story: what is shown when, its pictures, its words and its sound.

May import `document`, `media` and `store`. `picture` loads moviepy (half a second):
import it where a film is made.
"""
