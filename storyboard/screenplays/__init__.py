"""Scripts that become stories: Fountain, Final Draft, shot lists, plain text. They may come from anybody.

    elements        what a script is made of: headings, action, cues, dialogue
    fountain, fdx   files to elements
    shot_list       the columns of a shot list; such a file to scenes
    adaptation      elements to scenes: places, cast, captions
    reading         any of these files to scenes, and what of it could not be used

May import `document`.
"""
