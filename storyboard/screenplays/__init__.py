"""Scripts that become stories: Fountain, Final Draft, shot lists, plain text. They may come from anybody.

    elements                what a script is made of: headings, action, cues, dialogue
    fountain, fdx, plain    files to elements
    names, places           people and places of a script, as prompts have them
    adaptation              elements to scenes: places, cast, captions
    shot_list               the columns of a shot list; such a file to scenes
    reading                 any of these files to a story, and what of it could not be used

May import `document`.
"""
