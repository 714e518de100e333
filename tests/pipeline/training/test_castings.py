"""What scenes of the training set remember of castings."""

from pathlib import Path

import torch

from pipeline.encoders.image import small_vision_model
from pipeline.feature_extractor import FeatureExtractor
from pipeline.picturebook import world
from pipeline.training.dataset.castings import CAST, castings_of
from pipeline.training.dataset.memory import SCENES
from pipeline.training.dataset.picturebook_set import PictureBookSet
from pipeline.training.models.extractor import load_data, recollect


def test_rows_remember_pictures_of_their_own_actors(little_set: Path) -> None:
    data, vision = PictureBookSet(little_set), small_vision_model(64, 1).eval()
    drawn, told = castings_of(data, vision), castings_of(data, vision)  # the second time from files
    assert torch.equal(drawn.text, told.text) and torch.equal(drawn.kept, told.kept)
    for row, scene in enumerate(data.scenes):
        story = world.training_story(data.shards[0].seeds[row // SCENES])
        actors = list(dict.fromkeys(actor for one in story.scenes for actor in one.cast))
        whose = {actors[int(drawn.actor[row, slot])] for slot in range(len(scene.cast))}
        assert whose == set(scene.cast)
        assert drawn.kept[row, : len(scene.cast)].any(-1).all() and drawn.matched[row, : len(scene.cast)].any(-1).all()
        assert not drawn.kept[row, len(scene.cast) : CAST].any()
    rows = torch.arange(4)
    assert drawn.features_of(rows).shape == (4, CAST, *drawn.features.shape[2:])
    assert torch.equal(drawn.features_of(rows)[1, 0], drawn.features[0, drawn.actor[1, 0]])


def test_castings_come_after_earlier_scenes_and_nothing_of_them_without_leave(little_set: Path) -> None:
    vision = small_vision_model(64, 1).eval()
    plain, both = load_data(little_set, vision), load_data(little_set, vision, castings=True)
    model, rows = FeatureExtractor(image_dim=64).eval(), torch.arange(8)
    use, variant = torch.ones(8, SCENES, dtype=torch.bool), torch.zeros(8, SCENES, dtype=torch.int64)
    before = recollect(model, plain, rows, use, variant)
    none = recollect(model, both, rows, use, variant, torch.zeros(8, CAST, dtype=torch.bool))
    cast = recollect(model, both, rows, use, variant, torch.ones(8, CAST, dtype=torch.bool))
    assert torch.equal(before.past_mask.sum(1), none.past_mask.sum(1)) and torch.equal(before.matched, none.matched)
    assert (cast.past_mask.sum(1) > before.past_mask.sum(1)).all() and cast.matched[0].any(), "first scenes too"
    assert not before.past_mask[0].any() and not before.matched[0].any()
