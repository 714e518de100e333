"""What leaves the studio and comes back: films, contact sheets, clips and story archives.

May import `document`, `media`, `store` and `rendering`.
"""
