import statistics

import click
import pytest
from click.testing import CliRunner

import examples.drlim
import examples.embeddings
import examples.shuffled_digits
import examples.unseen
from examples.digit_runs import MNIST, about, handwritten, over, place, spread, summary

NAMES = ("drlim", "embeddings", "shuffled_digits", "unseen")


@click.command()
@click.option("--quick", is_flag=True)
@place("birds", "table.*")
def birds(quick, folder):
    click.echo(folder)


def said(*words):
    return CliRunner().invoke(birds, list(map(str, words))).output.strip()


def test_quick_results_lie_in_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said() == "runs/birds"
    assert said("--quick") == "runs/birds-quick"
    assert said("--folder", "mine", "--quick") == said("--quick", "--folder", "mine") == "mine"


def test_a_folder_with_results_of_something_else_is_refused(tmp_path):
    assert said("--folder", tmp_path) == str(tmp_path)
    (tmp_path / "run.json").touch()
    assert f"{tmp_path} holds something else, as run.json: take" in said("--folder", tmp_path)
    (tmp_path / "table.json").touch()
    assert said("--folder", tmp_path) == str(tmp_path)


def test_a_deviation_is_that_of_a_sample_and_one_value_has_none():
    values = [1.0, 2.0, 6.0]
    assert spread(values) == (3, statistics.stdev(values))
    assert summary(values) == "3.0 +- 2.6"
    assert summary([2.0], digits=3) == "2.000"
    assert [over(n) for n in (1, 3)] == [
        "Of seed 0",
        "Mean and deviation (of a sample) over 3 seeds",
    ]


@pytest.mark.parametrize("there", [(), MNIST[:1]], ids=["an empty folder", "one file of four"])
def test_mnist_that_is_not_all_there_is_replaced(there, tmp_path, monkeypatch):
    monkeypatch.setenv("MINIGRAD_DATA", str(tmp_path))
    (tmp_path / "mnist").mkdir()
    for name in there:
        (tmp_path / name).touch()
    (X, _), _, source = handwritten()
    assert len(X) == 898
    missing = f"there is no {', '.join(MNIST[1:])}" if there else "MNIST is not here"
    assert source == f"scikit-learn's digits, as {missing}"


@pytest.mark.parametrize("name", NAMES)
def test_help_has_the_commands_their_times_and_which_images_they_need(name):
    module = getattr(examples, name)
    helped = CliRunner().invoke(module.main, ["--help"]).output
    assert f"\n      python -m examples.{name} " in helped
    assert "minute" in helped
    assert "MINIGRAD_DATA" in helped
    assert about("one\n\n    two\n\nthree\n\nfour") == "one\n\n\b\n    two\n\nthree"
