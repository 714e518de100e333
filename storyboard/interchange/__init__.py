"""What other programs open: cuts for editors, shot lists, storyboards on paper, a page to share.

    format_names    the names of all exports
    formats         every export by its name, also those of `storyboard.export`
    timeline        the film as an OpenTimelineIO timeline at a rate that editors know
    editors         that timeline as OTIO, FCP7 XML, EDL; with the clips that it names in one zip
    fcpxml          the same as FCPXML, with its dissolves
    shot_list       a row a scene, for spreadsheets
    share_page      one HTML file with the film and the board
    board_pdf       storyboard sheets: picture, action, dialogue, notes, seconds, cast; also as e-konte

May import `document`, `media`, `store`, `rendering`, `export` and `screenplays`.
"""
