// SPDX-License-Identifier: Apache-2.0

/// y = x W^T + b over the last dimension, as `torch.nn.Linear`.
///
/// The weight is frozen: only the input gradient exists.
package struct Linear: Sendable {
    package let weight: Weight
    /// [outputs].
    package let bias: Tensor?
    private let panels: KeptPanels

    package var inputs: Int { weight.inputs }
    package var outputs: Int { weight.outputs }

    /// - Parameter weight: [outputs, inputs], with a single tap.
    package init(weight: Weight, bias: Tensor? = nil, precision: ProductPrecision = .f32) {
        precondition(weight.taps == 1, "a linear weight has one tap, not \(weight.taps)")
        precondition(bias.map { $0.shape == [weight.outputs] } ?? true, "bias \(bias?.shape ?? []) for \(weight.outputs) outputs")
        self.weight = weight
        self.bias = bias
        panels = KeptPanels(weight, precision)
    }

    /// [..., inputs] -> [..., outputs]; `residual` has the output's shape and is added for free.
    package func forward(_ input: Tensor, adding residual: Tensor? = nil) -> Tensor {
        precondition(input.width == inputs, "linear layer of \(inputs) inputs got \(input.shape)")
        return multiply(input, .forward, bias: bias, adding: residual)
    }

    /// dL/dx from dL/dy: [..., outputs] -> [..., inputs]; `sum` is added when other paths lead to the same input.
    package func inputGradient(_ outputGradient: Tensor, adding sum: Tensor? = nil) -> Tensor {
        precondition(outputGradient.width == outputs, "linear layer of \(outputs) outputs got a gradient \(outputGradient.shape)")
        return multiply(outputGradient, .turned, bias: nil, adding: sum)
    }

    private func multiply(_ input: Tensor, _ direction: Weight.Direction, bias: Tensor?, adding residual: Tensor?) -> Tensor {
        let (depth, width) = (weight.depth(direction), weight.width(direction))
        let result = Tensor(uninitialized: input.shape.dropLast() + [width])
        precondition(residual.map { $0.count == result.count } ?? true, "\(residual?.shape ?? []) cannot be added to \(result.shape)")
        let product = panels.product(direction)
        let left = LeftRows(input, isPaired: product.isPaired), y = result.pointer
        ProductGrid(rows: input.rowCount, columns: width, depth: depth).run { _, rows, columns in
            let at = rows.lowerBound * width + columns.lowerBound
            let addends = Addends(
                bias: bias.map { UnsafePointer($0.pointer + columns.lowerBound) }, residual: residual.map { UnsafePointer($0.pointer + at) }
            )
            product.run(rows: rows.count, columns: columns, into: y + at, stride: width, adding: addends) { channels in
                left.at(rows.lowerBound * depth + channels.lowerBound, stride: depth)
            }
        }
        return result
    }
}
