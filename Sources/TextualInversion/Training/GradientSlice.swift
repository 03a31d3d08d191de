// SPDX-License-Identifier: Apache-2.0

/// The losses of one microbatch of a step and its part of the step's gradient.
///
/// A step is cut into slices that any machines can compute: their sum in order is the step, whoever computed them.
package struct GradientSlice: Equatable, Sendable {
    /// One for each sample, in order.
    package let losses: [Double]
    /// d(mean loss of the step's whole batch) / d vectors, [rows * width]: only the terms of this slice's samples.
    package let gradient: [Float]

    package init(losses: [Double], gradient: [Float]) {
        self.losses = losses
        self.gradient = gradient
    }
}

/// The sum of a step's slices, added from zero one after the other in their order: the order is part of the bits.
package struct GradientSum: Equatable, Sendable {
    package private(set) var losses: [Double] = []
    package private(set) var gradient: [Float]

    /// - Parameter count: of the values of all vectors.
    package init(count: Int) { gradient = [Float](repeating: 0, count: count) }

    /// Adds the next slice.
    ///
    /// - Throws: `InversionError` when its gradient has another size.
    package mutating func add(_ slice: GradientSlice) throws {
        guard slice.gradient.count == gradient.count else {
            throw InversionError(.input, "a gradient of \(slice.gradient.count) values does not fit vectors of \(gradient.count)")
        }
        losses += slice.losses
        for i in gradient.indices { gradient[i] += slice.gradient[i] }
    }
}
