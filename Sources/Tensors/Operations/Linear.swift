// SPDX-License-Identifier: Apache-2.0

/// y = x W^T + b over the last dimension, as `torch.nn.Linear`.
///
/// The weight is frozen: only the input gradient exists.
///
/// Together with `Convolution` and `Attention` this is the seam behind which another implementation (blocked layouts, bf16) fits:
/// nothing else in the project multiplies matrices.
package struct Linear: Sendable {
    /// [outputs, inputs].
    package let weight: Tensor
    /// [outputs].
    package let bias: Tensor?

    package var inputs: Int { weight.shape[1] }
    package var outputs: Int { weight.shape[0] }

    package init(weight: Tensor, bias: Tensor? = nil) {
        precondition(weight.shape.count == 2, "a linear weight has two dimensions, not \(weight.shape)")
        precondition(bias.map { $0.shape == [weight.shape[0]] } ?? true, "bias \(bias?.shape ?? []) for weight \(weight.shape)")
        self.weight = weight
        self.bias = bias
    }

    /// [..., inputs] -> [..., outputs]; `residual` has the output's shape and is added for free.
    package func forward(_ input: Tensor, adding residual: Tensor? = nil) -> Tensor {
        precondition(input.width == inputs, "linear layer of \(inputs) inputs got \(input.shape)")
        let rows = input.rowCount, inputs = inputs, outputs = outputs
        let result = Tensor(uninitialized: input.shape.dropLast() + [outputs])
        precondition(residual.map { $0.count == result.count } ?? true, "residual \(residual?.shape ?? []) for \(result.shape)")
        let grid = MatrixGrid(rows: rows, columns: outputs, depth: inputs)
        let (x, w, y) = (input.pointer, weight.pointer, result.pointer)
        parallel(grid.count) { task in
            let (r, c) = (grid.rowRange(task), grid.columnRange(task))
            guard !r.isEmpty, !c.isEmpty else { return }
            let started = prefill(y, rows: r, columns: c, width: outputs, bias: bias?.pointer, residual: residual?.pointer)
            multiply(
                r.count, c.count, inputs, Operand(x + r.lowerBound * inputs, stride: inputs),
                Operand(transposing: w + c.lowerBound * inputs, stride: inputs), into: y + r.lowerBound * outputs + c.lowerBound,
                stride: outputs, accumulate: started)
        }
        return result
    }

    /// dL/dx from dL/dy: [..., outputs] -> [..., inputs]; `sum` is added when other paths lead to the same input.
    package func inputGradient(_ outputGradient: Tensor, adding sum: Tensor? = nil) -> Tensor {
        precondition(outputGradient.width == outputs, "linear layer of \(outputs) outputs got a gradient \(outputGradient.shape)")
        let rows = outputGradient.rowCount, inputs = inputs, outputs = outputs
        let result = Tensor(uninitialized: outputGradient.shape.dropLast() + [inputs])
        precondition(sum.map { $0.count == result.count } ?? true, "gradient \(sum?.shape ?? []) for \(result.shape)")
        let grid = MatrixGrid(rows: rows, columns: inputs, depth: outputs)
        let (dy, w, dx) = (outputGradient.pointer, weight.pointer, result.pointer)
        parallel(grid.count) { task in
            let (r, c) = (grid.rowRange(task), grid.columnRange(task))
            guard !r.isEmpty, !c.isEmpty else { return }
            let started = prefill(dx, rows: r, columns: c, width: inputs, bias: nil, residual: sum?.pointer)
            multiply(
                r.count, c.count, outputs, Operand(dy + r.lowerBound * outputs, stride: outputs), Operand(w + c.lowerBound, stride: inputs),
                into: dx + r.lowerBound * inputs + c.lowerBound, stride: inputs, accumulate: started)
        }
        return result
    }
}

/// Starts a block of a product with bias and residual, so that the multiplication only accumulates.
///
/// False when there is nothing to add.
func prefill(
    _ out: UnsafeMutablePointer<Float>, rows: Range<Int>, columns: Range<Int>, width: Int, bias: UnsafePointer<Float>?,
    residual: UnsafePointer<Float>?
) -> Bool {
    guard bias != nil || residual != nil else { return false }
    for row in rows {
        let target = out + row * width
        switch (bias, residual) {
        case (let bias?, let residual?):
            for column in columns { target[column] = bias[column] + residual[row * width + column] }
        case (let bias?, nil):
            (target + columns.lowerBound).update(from: bias + columns.lowerBound, count: columns.count)
        case (nil, let residual?):
            (target + columns.lowerBound).update(from: residual + row * width + columns.lowerBound, count: columns.count)
        case (nil, nil): break
        }
    }
    return true
}
