"""What a story should be after any edits: lists, and nothing clever."""

from dataclasses import dataclass, field

from storyboard.document.story import Story

Op = tuple[str, ...]  # its name and arguments, all words: they travel through pipes
Page = tuple[str, tuple[tuple[str, str], ...]]  # title; id and prompt of every scene


def page_of(story: Story) -> Page:
    return story.title, tuple((scene.id, scene.prompt) for scene in story.scenes)


@dataclass
class Pages:
    """The revisions of one story."""

    revisions: list[Page]
    present: int = 0
    chosen: dict[str, int] = field(default_factory=dict)

    @property
    def page(self) -> Page:
        return self.revisions[self.present]

    def copy(self) -> "Pages":
        return Pages(list(self.revisions), self.present)

    def after(self, *ops: Op) -> "Pages":
        pages = self.copy()
        for op in ops:
            pages.do(op)
        return pages

    def do(self, op: Op) -> None:
        name, *rest = op
        if name in ("undo", "redo"):
            self.present += -1 if name == "undo" else 1
            assert 0 <= self.present < len(self.revisions), f"nothing to {name}"
            return
        title, scenes = self.page
        edited = list(scenes)
        if name == "title":
            title = rest[0]
        elif name == "prompt":
            edited = [(scene, rest[1] if scene == rest[0] else prompt) for scene, prompt in scenes]
        elif name == "add":
            edited.insert(int(rest[0]), (rest[1], rest[2]))
        elif name == "remove":
            edited = [(scene, prompt) for scene, prompt in scenes if scene != rest[0]]
        elif name == "move":
            (moved,) = (pair for pair in scenes if pair[0] == rest[0])
            edited.remove(moved)
            edited.insert(int(rest[1]), moved)
        if (title, tuple(edited)) != self.page:
            self.revisions[self.present + 1 :] = [(title, tuple(edited))]
            self.present += 1


def as_edit(op: Op) -> dict[str, object]:
    """An op, but undo and redo, for `Studio.edit`."""
    name, *rest = op
    if name == "title":
        return {"do": "edit_story", "changes": {"title": rest[0]}}
    if name == "prompt":
        return {"do": "edit_scene", "scene": rest[0], "changes": {"prompt": rest[1]}}
    if name == "add":
        return {"do": "add_scene", "index": int(rest[0]), "fields": {"id": rest[1], "prompt": rest[2]}}
    if name == "move":
        return {"do": "move_scene", "scene": rest[0], "index": int(rest[1])}
    return {"do": "remove_scene", "scene": rest[0]}
