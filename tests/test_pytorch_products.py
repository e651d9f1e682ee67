"""PyTorch's own part: products with hand-written gradients, mixed precision, and the path of a GPU without one."""

import numpy as np
import pytest

from conftest import random_clicks
from contract import cases, every, lr_of
from experiments.runs.run import run
from experiments.tasks.clicks import training_batches
from utils.batches import plain_batch
from utils.engine import engine_obstacle, load_engine
from utils.models import TRAINED
from utils.system.errors import UserError

if reason := engine_obstacle("pytorch"):
    pytest.skip(reason, allow_module_level=True)
load_engine("pytorch")

import torch  # noqa: E402

from pytorch_impl.device_batch import to_device  # noqa: E402
from pytorch_impl.layers import BLOCK, ClickLinear, Linear  # noqa: E402
from pytorch_impl.losses import negative_log_likelihood  # noqa: E402

CPU = torch.device("cpu")


def in_pytorch(plainest=False):
    """The cases of every trained model in PyTorch."""
    return [case for case in cases(TRAINED, plainest) if case.engine == "pytorch"]


def gradients(loss, parameters):
    return torch.autograd.grad(loss, parameters)


@pytest.mark.parametrize("width", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 300])
def test_a_wide_layer_is_the_stock_layer_and_so_are_its_gradients(width):
    torch.manual_seed(0)
    layer = Linear(5, width).double()
    x = torch.randn(7, 5, dtype=torch.float64, requires_grad=True)
    toward = torch.randn(7, width, dtype=torch.float64)
    stock = torch.nn.functional.linear(x, layer.weight, layer.bias)
    torch.testing.assert_close(layer(x), stock, rtol=1e-13, atol=1e-13)
    parameters = (x, layer.weight, layer.bias)
    ours = gradients((layer(x).sin() * toward).sum(), parameters)
    for one, other in zip(ours, gradients((stock.sin() * toward).sum(), parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("empty_users", [False, True])
def test_the_first_layer_is_the_dense_product_and_so_is_its_gradient(empty_users):
    torch.manual_seed(0)
    clicks = random_clicks(23, 40, 0.04, at_least_one=not empty_users)
    assert (np.diff(clicks.indptr) == 0).any() == empty_users
    assert (clicks.sum(axis=0) == 0).any()  # items nobody of the batch has
    matrix = to_device(plain_batch(clicks), CPU, torch.float64).matrix
    batch = plain_batch(clicks)
    dense = torch.zeros(23, 40, dtype=torch.float64)
    dense[batch.rows, batch.indices] = torch.from_numpy(batch.values).double()
    layer = ClickLinear(40, 6).double()
    with torch.no_grad():
        layer.weight.normal_()
        layer.bias.normal_()
    parameters = (layer.weight, layer.bias)
    expected = dense @ layer.weight + layer.bias
    torch.testing.assert_close(layer(matrix), expected, rtol=1e-13, atol=1e-13)
    ours = gradients(layer(matrix).sin().sum(), parameters)
    for one, other in zip(ours, gradients(expected.sin().sum(), parameters), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


@every(in_pytorch(plainest=True))
def test_mixed_precision_trains_nearly_as_float32_and_is_evaluated_in_it(case):
    clicks = random_clicks(200, 300, 0.1)
    results = {}
    for precision in ("float32", "mixed"):
        trainer = case.build(300, precision=precision)
        knobs = {**trainer.model.final_knobs(), "lr": 0.1 * lr_of(trainer.options)}
        assert all(array.dtype == np.float32 for array in trainer.weights().values())
        before = trainer.evaluate(clicks, 10)
        losses = [
            tuple(trainer.read_terms(trainer.train_step(b, knobs)).values())
            for b in training_batches(clicks, trainer.options, 1)
        ]
        results[precision] = before.terms["nll"], before.ranked, np.array(losses), trainer.weights()
        initial = case.build(300, precision=precision).weights()
    plain, mixed = results["float32"], results["mixed"]
    np.testing.assert_array_equal(plain[0], mixed[0])
    np.testing.assert_array_equal(plain[1], mixed[1])
    assert (plain[2] != mixed[2]).any()  # it is another arithmetic
    np.testing.assert_allclose(mixed[2], plain[2], rtol=2**-8)  # that of a bfloat16's eight bits
    for name, array in plain[3].items():
        astray = np.linalg.norm(mixed[3][name] - array) / np.linalg.norm(array - initial[name])  # of the way it went
        # With no gradient, or another one, a weight would be 1 or more astray. The sign of a gradient near zero
        # is anybody's, and Adam goes as far with a small one as with a large one: hence more for the few biases.
        assert 0 < astray < (0.1 if array.ndim == 2 else 0.5), name


def test_mixed_precision_is_refused_by_the_engine_without_it(options):
    with pytest.raises(UserError, match="--precision mixed: the MXNet engine has only float32 and float64"):
        run("mxnet", options.replace(precision="mixed"))


@every(in_pytorch())
def test_on_another_device_nothing_of_a_step_is_left_on_the_cpu(case):
    """PyTorch's ``meta`` device has shapes and no memory; like a GPU it refuses arrays of two devices."""
    trainer, meta = case.build(3 * BLOCK), torch.device("meta")
    network, model = trainer.network.to(meta), trainer.model
    batch = next(training_batches(random_clicks(50, 3 * BLOCK, 0.01), trainer.options, 1))
    clicks = to_device(batch, meta, torch.float32)
    logits, *others = network(*clicks.inputs, *clicks.noise)
    assert logits.shape == (50, 3 * BLOCK)
    loss = negative_log_likelihood(logits, clicks.positions, model, clicks.negatives)
    loss = sum((other.mean() for other in others), loss)
    (loss + network.half_square_of_touched(clicks) if model.touched_l2 else loss).backward()
    for name, parameter, _ in network.named():
        assert parameter.grad.device == meta, name
        assert parameter.grad.shape == parameter.shape, name


@pytest.mark.parametrize("precision", ["float32", "mixed"])
@every(in_pytorch(plainest=True))
def test_a_gpu_trains_and_ranks_like_the_cpu(case, precision):
    if not torch.cuda.is_available():
        pytest.skip("PyTorch sees no GPU here")
    clicks = random_clicks(200, 3000, 0.02)
    ends = []
    for device in ("cpu", "cuda"):
        trainer = case.build(3000, precision=precision, device=device)
        knobs = {**trainer.model.final_knobs(), "lr": 0.1 * lr_of(trainer.options)}
        for batch in training_batches(clicks, trainer.options, 1):
            losses = tuple(trainer.read_terms(trainer.train_step(batch, knobs)).values())
        ends.append((losses, trainer.evaluate(clicks, 10).terms["nll"]))
    tolerance = 1e-4 if precision == "float32" else 1e-2
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=tolerance)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=tolerance)
