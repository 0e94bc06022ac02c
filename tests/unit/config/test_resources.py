"""Which configuration is meant, and where the packaged files are."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway import resources
from gateway.core.errors import ConfigError
from tests.conftest import ROOT


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_the_order_in_which_configurations_are_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LINESIDE_CONFIG", raising=False)
    system = tmp_path / "etc"
    assert resources.find_config(system=system) == ROOT / "config/lineside.toml"
    of_system = put(system / "lineside.toml")
    assert resources.find_config(system=system) == of_system
    put(tmp_path / "config/lineside.toml")
    assert resources.find_config(system=system) == Path("config/lineside.toml")
    monkeypatch.setenv("LINESIDE_CONFIG", "elsewhere.toml")
    assert resources.find_config(system=system) == Path("elsewhere.toml")
    assert resources.find_config(Path("mine.toml"), system=system) == Path("mine.toml")
    monkeypatch.setenv("LINESIDE_CONFIG", "")
    assert resources.find_config(system=system) == Path("config/lineside.toml")


def test_an_installed_package_comes_before_a_folder_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "gateway"
    with pytest.raises(ConfigError, match="_config"):
        resources.config_dir(package)
    put(tmp_path / "config/lineside.toml")
    assert resources.config_dir(package) == tmp_path / "config"
    put(package / "_config/lineside.toml")
    assert resources.config_dir(package) == package / "_config"


def test_the_packaged_demo_keeps_its_data_out_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = Path(resources.__file__).parent / "_config/lineside.toml"
    assert resources.base_folder(packaged) == tmp_path / "config"
    assert resources.base_folder(Path("config/lineside.toml")) == tmp_path / "config"
    assert resources.base_folder(Path("/etc/lineside/lineside.toml")) == Path("/etc/lineside")


def test_the_order_in_which_profiles_are_looked_for(tmp_path: Path) -> None:
    config = put(tmp_path / "plant" / "lineside.toml")
    assert resources.profile_folders(config, system=tmp_path / "etc") == (
        tmp_path / "plant/profiles",
        tmp_path / "etc/profiles",
        ROOT / "config/profiles",
    )
    # The demo's own folder is the package's.
    assert resources.profile_folders(ROOT / "config/lineside.toml", system=tmp_path / "etc") == (
        ROOT / "config/profiles",
        tmp_path / "etc/profiles",
    )
