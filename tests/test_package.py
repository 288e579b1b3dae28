def test_package_imports() -> None:
    import roost.settings

    assert roost.settings.FIELDS
