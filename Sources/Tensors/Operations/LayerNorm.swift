// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// Normalises each row to mean zero and variance one, then scales and shifts, as `torch.nn.LayerNorm`.
///
/// Ba, Kiros and Hinton 2016 (arXiv 1607.06450).
package struct LayerNorm: Sendable {
    /// What the input gradient needs: the input and each row's mean and reciprocal deviation.
    package struct Saved: Sendable {
        fileprivate let kept: KeptTensor
        let mean: Tensor, reciprocalDeviation: Tensor

        package var input: Tensor { kept.tensor }
    }

    package let weight: Tensor, bias: Tensor
    package let epsilon: Float
    private let precision: ProductPrecision

    /// - Parameter precision: in bf16 the input is kept rounded for the gradient; the norm itself is f32.
    package init(weight: Tensor, bias: Tensor, epsilon: Float, precision: ProductPrecision = .f32) {
        precondition(weight.count == bias.count)
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        self.precision = precision
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
        saved = Saved(kept: KeptTensor(input, precision), mean: mean, reciprocalDeviation: deviation)
        return result
    }

    /// dL/dx from dL/dy, both [..., C].
    package func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        let input = saved.input, rows = input.rowCount, width = weight.count
        precondition(outputGradient.count == input.count, "layer norm gradient \(outputGradient.shape) for \(input.shape)")
        let result = Tensor(uninitialized: input.shape)
        parallelRanges(rows, minimum: max(1, 16384 / width)) { range in
            let at = range.lowerBound
            pw_layer_norm_gradient(
                input.pointer + at * width, weight.pointer, saved.mean.pointer + at, saved.reciprocalDeviation.pointer + at,
                outputGradient.pointer + at * width, result.pointer + at * width, range.count, width)
        }
        return result
    }
}
