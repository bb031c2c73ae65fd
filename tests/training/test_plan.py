"""What `none` and `auto` become."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrena.errors import UsageError
from entrena.network import Network
from entrena.registry import Choice
from entrena.training import RateSettings, RegularizationSettings, TrainingSettings
from entrena.training.compilation import find_device
from entrena.training.plan import Disturbances, Plan, batch_size, make_plan, round_up, wants_validation

NETWORK = Network((20, 64, 64, 2), Choice("relu"), "softmax", Choice("orthogonal"))


def plan(
    n_rows: int = 1000, n_validation: int = 0, network: Network = NETWORK, rate=None, decay=None, **training
) -> Plan:
    return make_plan(
        network,
        "cross_entropy",
        TrainingSettings(**training),
        RateSettings(**(rate or {})),
        RegularizationSettings(weight_decay=decay),
        n_rows=n_rows,
        n_validation=n_validation,
        seed=4,
        platform="cpu",
    )


@given(st.integers(1, 10**7))
def test_round_up_wastes_at_most_an_eighth(n):
    up = round_up(n)
    assert n <= up <= n * 9 / 8
    assert round_up(up) == up
    assert round_up(n + 1) >= up


def test_the_ladder_is_short():
    assert len({round_up(n) for n in range(1, 100_000)}) < 130


@pytest.mark.parametrize(
    ("mode", "size", "n_rows", "expected"),
    [
        ("online", "auto", 1000, 1),
        ("batch", "auto", 1000, 1024),
        ("mini_batch", 50, 1000, 50),
        ("mini_batch", 5000, 1000, 1024),
        ("auto", "auto", 100, 8),
        ("auto", "auto", 1000, 16),
        ("auto", "auto", 1001, 32),
        ("auto", "auto", 10_000, 64),
        ("auto", "auto", 10**7, 256),
    ],
)
def test_batch_size(mode, size, n_rows, expected):
    assert batch_size(TrainingSettings(mode=mode, batch_size=size), n_rows) == expected


def test_the_optimizers_own_defaults():
    sgd, adam = plan(optimizer="sgd"), plan(optimizer="adam")
    assert (sgd.momentum, sgd.structure.momentum, sgd.structure.nesterov) == (0.9, True, False)
    assert (sgd.learning_rate, sgd.optimizer_settings["weight_decay"]) == (0.05, 1e-4)
    assert (adam.momentum, adam.structure.momentum, adam.structure.decay) == (None, False, False)
    assert "weight_decay" not in adam.optimizer_settings
    assert plan(2000).optimizer_settings == {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.5}
    assert plan(2000, rate={"learning_rate": 0.02}).optimizer_settings["weight_decay"] == 0.25


def test_what_is_given_counts():
    given_ = plan(rate={"learning_rate": 0.3}, decay=0.0, optimizer="sgd", momentum=0.5, nesterov=True)
    assert (given_.learning_rate, given_.momentum, given_.structure.nesterov) == (0.3, 0.5, True)
    assert not given_.structure.decay
    plain = plan(optimizer="sgd", momentum=0.0, nesterov=True)
    assert (plain.momentum, plain.structure.momentum, plain.structure.nesterov) == (None, False, False)


def test_equal_structures_are_one_key_whatever_the_rate_decay_momentum_or_initialization():
    a = plan(1000, rate={"learning_rate": 0.1}, decay=0.1, optimizer="sgd", momentum=0.5)
    other = Network(NETWORK.sizes, NETWORK.activation, NETWORK.output, None)
    b = plan(1001, network=other, rate={"learning_rate": 0.2}, decay=0.2, optimizer="sgd", momentum=0.6)
    assert a.structure == b.structure
    assert hash(a.structure) == hash(b.structure)


@pytest.mark.parametrize(
    ("early_stopping", "schedule", "n_validation", "patience", "restored"),
    [
        ("auto", "one_cycle", 100, None, True),
        ("auto", "constant", 100, 7, True),
        (True, "one_cycle", 100, 7, True),
        (False, "constant", 100, None, False),
        ("auto", "constant", 0, None, False),
    ],
)
def test_when_patience_counts_and_when_the_best_weights_are_kept(
    early_stopping, schedule, n_validation, patience, restored
):
    made = plan(n_validation=n_validation, early_stopping=early_stopping, patience=7, rate={"schedule": schedule})
    assert (made.patience, made.restore_best) == (patience, restored)


def test_which_data_give_up_validation_rows():
    auto = TrainingSettings()
    assert (wants_validation(auto, 4999), wants_validation(auto, 5000)) == (False, True)
    assert wants_validation(TrainingSettings(early_stopping=True), 10)
    assert not wants_validation(TrainingSettings(early_stopping=False), 10**6)


@given(
    st.integers(1, 200_000),
    st.sampled_from(["online", "mini_batch", "batch", "auto"]),
    st.integers(1, 2048),
    st.sampled_from([(3, 2), (20, 64, 64, 2), (784, 2048, 2048, 10)]),
)
def test_every_plan_is_possible(n_rows, mode, size, sizes):
    made = plan(n_rows, mode=mode, batch_size=size, max_epochs=20, network=Network(sizes, Choice("relu"), "softmax"))
    assert made.n_updates * made.batch_size >= n_rows > (made.n_updates - 1) * made.batch_size
    assert made.n_run_updates == 20 * made.n_updates
    assert 1 <= made.epochs_a_call <= 20
    assert made.updates_a_call >= made.n_updates or made.epochs_a_call == 1
    assert made.updates_a_call >= 1


def test_devices():
    assert find_device("auto") == find_device("cpu") == find_device("cpu:0")
    with pytest.raises(UsageError, match=r"training.device: 'tpu' is not here: this JAX sees only \w+"):
        find_device("tpu")
    with pytest.raises(UsageError, match="training.device: 'cpu:99' is not here: the last one is 'cpu:0'"):
        find_device("cpu:99")


def test_dropout_is_compiled_where_there_is_something_to_drop():
    def made(share: float, network: Network = NETWORK) -> Plan:
        return make_plan(
            network,
            "cross_entropy",
            TrainingSettings(),
            RateSettings(),
            RegularizationSettings(),
            n_rows=1000,
            n_validation=0,
            seed=4,
            platform="cpu",
            disturbances=Disturbances(dropout=share),
        )

    assert (made(0.1).beside["kept"], made(0.1).structure.dropout) == (0.9, True)
    assert made(0.1).structure == made(0.2).structure
    assert made(0.0) == plan()
    assert not made(0.0).structure.dropout
    assert not made(0.1, Network((20, 2), Choice("relu"), "softmax")).structure.dropout


def test_embeddings_count_as_weights_and_have_a_form_of_their_own():
    def form(network: Network, size: int) -> str:
        return plan(network=network, mode="mini_batch", batch_size=size).structure.form

    plain, relu = Network((10, 5, 2), Choice("relu"), "softmax"), Choice("relu")
    embedded = Network((10, 5, 2), relu, "softmax", None, ((12, 6),))
    assert [form(plain, size) for size in (1, 2)] == ["one_function", "one_function"]
    assert [form(embedded, size) for size in (1, 2)] == ["one_function", "loop"]
    assert form(Network((10, 5, 2), relu, "softmax", None, ((5000, 8),)), 1) == "loop"
