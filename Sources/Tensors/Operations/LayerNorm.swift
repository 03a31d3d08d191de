// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// Normalises each row to mean zero and variance one, then scales and shifts, as `torch.nn.LayerNorm`.
///
/// Ba, Kiros and Hinton 2016 (arXiv 1607.06450).
package struct LayerNorm: Sendable {
    /// What the input gradient needs: the input and each row's mean and reciprocal deviation.
    package struct Saved: Sendable {
        package let input: Tensor
        let mean: Tensor, reciprocalDeviation: Tensor
    }

    package let weight: Tensor, bias: Tensor
    package let epsilon: Float

    package init(weight: Tensor, bias: Tensor, epsilon: Float) {
        precondition(weight.count == bias.count)
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
    }

    package func forward(_ input: Tensor) -> Tensor {
        var saved: Saved?
        return forward(input, saving: &saved)
    }

    /// [..., C] -> [..., C].
    package func forward(_ input: Tensor, saving saved: inout Saved?) -> Tensor {
        let rows = input.rowCount, width = weight.count
        precondition(input.width == width, "layer norm of \(width) channels got \(input.shape)")
        let result = Tensor(uninitialized: input.shape)
        let mean = Tensor(uninitialized: [rows]), deviation = Tensor(uninitialized: [rows])
        parallelRanges(rows, minimum: max(1, 16384 / width)) { range in
            let at = range.lowerBound
            pw_layer_norm(
                input.pointer + at * width, weight.pointer, bias.pointer, result.pointer + at * width, mean.pointer + at,
                deviation.pointer + at, range.count, width, epsilon)
        }
        saved = Saved(input: input, mean: mean, reciprocalDeviation: deviation)
        return result
    }

    /// dL/dx from dL/dy, both [..., C].
    package func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        let rows = saved.input.rowCount, width = weight.count
        precondition(outputGradient.count == saved.input.count, "layer norm gradient \(outputGradient.shape) for \(saved.input.shape)")
        let result = Tensor(uninitialized: saved.input.shape)
        parallelRanges(rows, minimum: max(1, 16384 / width)) { range in
            let at = range.lowerBound
            pw_layer_norm_gradient(
                saved.input.pointer + at * width, weight.pointer, saved.mean.pointer + at, saved.reciprocalDeviation.pointer + at,
                outputGradient.pointer + at * width, result.pointer + at * width, range.count, width)
        }
        return result
    }
}
