"""The configuration of a training run: what is taken, and what is refused in one sentence."""

import pytest

from streamfuse.errors import ConfigError
from streamfuse.lab.train.train_config import load_train_config

GOOD = "networks: {a: {widths: [8, 8, 8, 8]}}\ndata: d\nout: o\nheld_back: [x]\nsteps: 3\n"


def test_a_configuration_file_is_read(tmp_path):
    (tmp_path / "c.yaml").write_text(GOOD)
    config = load_train_config(tmp_path / "c.yaml")
    assert (config.steps, config.networks["a"].widths) == (3, (8, 8, 8, 8))


def test_the_shipped_configuration_describes_the_shipped_networks(request):
    from streamfuse.fusion.models import load_network, read_card

    config = load_train_config(request.config.rootpath / "configs/train-lcndr.yaml")
    assert set(config.networks) == {"lcndr-s", "lcndr-xs"}
    for name, wanted in config.networks.items():
        card = read_card(request.config.rootpath / f"streamfuse/weights/{name}.safetensors")
        wanted_card = {**config.card, "name": name, "steps": str(config.steps), "seed": str(config.seed)}
        assert {key: card.get(key) for key in wanted_card} == wanted_card
        network = load_network(name).config
        assert all(
            getattr(network, field) == value
            for field, value in wanted.model_dump(exclude={"without", "learning_rate"}).items()
        )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "stepps: 4", "stepps"),
        (GOOD.replace("steps: 3", "steps: 0"), "steps"),
        (GOOD.replace("steps: 3\n", ""), "steps: Field required"),
        (GOOD.replace("[8, 8, 8, 8]", "[8, 8, 8]"), "networks.a.widths"),
        (GOOD.replace("8]}", "9]}"), "multiple of heads"),
        (GOOD.replace("{a: {widths: [8, 8, 8, 8]}}", "{}"), "networks"),
        (GOOD + "crop: [51, 64]", "crop.0"),
        (GOOD + "crop: [64, 51]", "crop.1"),
        (GOOD + "seed: -1", "seed"),
        (GOOD + "seed: 9223372036854775808", "seed"),
        (GOOD + "threads: 1025", "threads"),
        (GOOD + "learning_rate: .inf", "learning_rate"),
        (GOOD + "trained_share: 0", "trained_share"),
        (GOOD + "trained_share: 1.1", "trained_share"),
        (GOOD + "trained_share: 0.5", "needs start_from"),
        (GOOD + "trained_share: 0.5\nstart_from: x/../o", "another folder"),
        (GOOD + "gradient: -0.1", "gradient"),
        (GOOD + "camera_motion: 0.3", "camera_motion"),
        (GOOD + "white_balance: 1.5", "white_balance"),
        (GOOD + "white_balance_difference: -0.1", "white_balance_difference"),
        ("", "the file"),
        ("networks: {a: [", "not valid YAML in line 1"),
        ("networks: {\n", "not valid YAML in line 2"),
        ("a:\n\t- b", "not valid YAML in line 2"),
        ("a: 1\n---\nb: 2\n", "not valid YAML in line 2"),
        ("a: \0", "not valid YAML"),
        ("a: 2024-13-01", "not valid YAML"),
        ("[" * 700, "not valid YAML"),
        ('"a\\nb": 1\n' + GOOD, "a b"),
        ("\udcff", "not valid YAML"),
    ],
)
def test_mistakes_in_a_configuration_are_named(tmp_path, text, says):
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=says) as caught:
        load_train_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["a/b", "../esc", "/abs", "a\\b", "", ".", "..", ".hidden", "a\n", "é", "x" * 101]
)
def test_the_name_of_a_network_is_that_of_a_file(config, name):
    with pytest.raises(ValueError, match="cannot be a network's name"):
        config(networks={name: {"widths": [8] * 4}})


@pytest.mark.parametrize("name", ["lcndr-s", "v1.2_final", "x" * 100])
def test_plain_names_are_taken(config, name):
    assert list(config(networks={name: {"widths": [8] * 4}}).networks) == [name]


def test_a_share_needs_no_start_when_it_is_all(config, tmp_path):
    assert config().trained_share == config(trained_share=1).trained_share == 1
    assert config(trained_share=0.3, start_from=tmp_path).trained_share == 0.3


def test_a_missing_configuration_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        load_train_config(tmp_path / "nothing.yaml")


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(ConfigError, match=f"{tmp_path} is a folder"):
        load_train_config(tmp_path)


def test_a_configuration_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(ConfigError, match=r"c\.yaml cannot be read .*: Permission denied\.$"):
        load_train_config(tmp_path / "c.yaml")
