"""The sizes that are offered of a model."""

from pipeline.backbones.base import Limits, Native

NATIVE = Native(96, 144, 17, 8, 30, text=2.0, history=3.0, period=4)


def test_usual_aspects_are_offered_and_what_suits_the_model_comes_first() -> None:
    found = Limits(16, height=320, width=320, num_frames=161, has_eta=True).sizes(NATIVE)
    assert found[0] == (144, 96) and {(112, 112), (160, 96), (96, 144), (160, 160)} <= set(found)
    assert all(side % 16 == 0 for size in found for side in size)


def test_no_size_is_larger_than_the_model_allows() -> None:
    large = Native(480, 720, 49, 8, 50, text=6.0, history=3.0, period=4)
    found = Limits(16, height=480, width=720, num_frames=49, has_eta=True).sizes(large)
    assert found == ((720, 480), (720, 400), (480, 480), (320, 480), (272, 480))


def test_a_model_of_one_size_offers_one() -> None:
    square = Native(96, 96, 17, 8, 30, text=2.0, history=3.0, period=4)
    assert Limits(48, height=96, width=96, num_frames=17, has_eta=True).sizes(square) == ((96, 96),)
