// SPDX-License-Identifier: Apache-2.0
package import Tensors

/// A row-major array of doubles with a shape: what the references compute with.
package struct PlainTensor: Sendable {
    package var shape: [Int]
    package var values: [Double]

    package init(shape: [Int], values: [Double]) {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values do not fill the shape \(shape)")
        self.shape = shape
        self.values = values
    }

    package init(zeros shape: [Int]) { self.init(shape: shape, values: [Double](repeating: 0, count: shape.reduce(1, *))) }

    package init(_ tensor: Tensor) { self.init(shape: tensor.shape, values: tensor.values.map(Double.init)) }

    package var width: Int { shape.last ?? 1 }
    package var rowCount: Int { shape.dropLast().reduce(1, *) }
}
