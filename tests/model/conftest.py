"""Property tests of the pure model: a busy machine may make any example slow, which says nothing about the model."""

from hypothesis import settings

settings.register_profile("model", deadline=None)
settings.load_profile("model")
