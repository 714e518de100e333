"""What the page hears of."""

from collections import Counter

from storyboard.studio import Studio
from storyboard.ui import page


def test_no_event_has_two_listeners_that_wait_for_one_another(studio: Studio) -> None:
    """Gradio sends an event again to all its listeners when one ends that was wanted meanwhile (`always_last`): two
    that overlap would ask for one another without end. What follows an edit is its `then`."""
    config = page.build(studio).get_config_file()
    waiting = [
        target
        for listener in config["dependencies"]
        if listener["backend_fn"] and listener["trigger_mode"] == "always_last"
        for target in map(tuple, listener["targets"])
        if target[0] is not None
    ]
    assert len(waiting) > 50
    assert [target for target, count in Counter(waiting).items() if count > 1] == []
