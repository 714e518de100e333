"""The finish: clips enlarged, by the upscaler that ships or by one in a folder.

`network` is the one that ships, `enlarging` applies any to a clip in tiles, `kinds` makes those that others trained one
of them, `folders` tells what lies in a folder. May import what `stages` may.
"""
