"""Canaries: what has moved in TensorFlow and Keras, of all that ``workers/tensorflow/internals.py`` uses."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from tests.canaries import Part, check

PARTS = (
    Part(
        "tensorflow.core.framework.resource_handle_pb2:ResourceHandleProto",
        "the machine code of compiled functions is named, to be freed",
    ),
    Part("tensorflow.core.framework.tensor_pb2:TensorProto", "that name is made a tensor"),
    Part("tensorflow.core.framework.types_pb2:DT_RESOURCE", "that tensor has its type"),
    Part(
        "tensorflow.python.client.pywrap_tf_session:TF_SetOpStackTrace",
        "operations are made without a note of where, which TensorFlow keeps for ever",
    ),
)

KERAS = (
    Part(
        "keras.optimizers:Optimizer._all_reduce_sum_gradients",
        "an optimizer leaves out a custom gradient that keeps every traced graph for ever",
        ("grads_and_vars",),
    ),
)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_tensorflow_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "tensorflow")


@pytest.mark.parametrize("part", KERAS, ids=lambda part: part.name)
def test_keras_has_what_is_used_of_its_inside(part: Part) -> None:
    check(part, "keras")


def test_the_machine_code_of_compiled_functions_is_found() -> None:
    from workers.tensorflow.internals import destroy_machine_code
    from workers.tensorflow.setup import tf

    tf.function(lambda x: x + 1.0, jit_compile=True)(tf.constant(1.0))
    assert destroy_machine_code(), (
        f"TensorFlow {tf.__version__} has no resource of that name and type, by which machine code is freed: "
        "see xla_ops.cc for its name and DeviceCompiler's type; docs/moving-versions.md says what to do"
    )


def test_no_operation_is_noted_where_that_is_asked_for() -> None:
    from workers.tensorflow.internals import without_stack_traces
    from workers.tensorflow.setup import tf

    with without_stack_traces():
        graph = tf.function(lambda x: x * 2.0).get_concrete_function(tf.TensorSpec((), tf.float32)).graph
    noted = [operation.name for operation in graph.get_operations() if operation.traceback]
    assert not noted, f"TensorFlow {tf.__version__} notes where an operation was made by another function"


def test_an_optimizer_sums_its_gradients_by_the_function_that_is_replaced() -> None:
    from workers.tensorflow.internals import without_replicas
    from workers.tensorflow.setup import keras

    variable = keras.Variable(np.ones(2, np.float32))
    optimizer = keras.optimizers.SGD(learning_rate=1.0)
    without_replicas(optimizer)
    asked = []
    optimizer._all_reduce_sum_gradients = lambda pairs: asked.append(len(pairs)) or pairs
    optimizer.apply([np.ones(2, np.float32)], [variable])
    assert asked == [1], f"Keras {keras.__version__} sums gradients elsewhere; see without_replicas"


def test_freeing_that_finds_nothing_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from workers.tensorflow import internals, memory

    memory.release()  # of what tests before this one ran
    caplog.clear()
    monkeypatch.setattr(internals, "_TYPE", b"N10tensorflow5OtherE")
    memory._note_that_nothing_is_freed.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert not memory.release()  # nothing ran, and there is nothing
        assert caplog.messages == []
        for _ in range(2):
            with memory.running():
                pass
            assert not memory.release()
    assert len(caplog.messages) == 1
    assert "can't be freed" in caplog.messages[0]
    memory._note_that_nothing_is_freed.cache_clear()
