// SPDX-License-Identifier: Apache-2.0

/// Adam with decoupled weight decay over the pseudo-word's vectors alone.
///
/// Loshchilov & Hutter 2017 (arXiv 1711.05101), in the order of operations of `torch.optim.AdamW`.
package struct AdamW: Sendable {
    package let beta1: Double, beta2: Double, weightDecay: Double, epsilon: Double

    package init(beta1: Double, beta2: Double, weightDecay: Double, epsilon: Double) {
        (self.beta1, self.beta2, self.weightDecay, self.epsilon) = (beta1, beta2, weightDecay, epsilon)
    }

    /// Makes update number `step` (1 for the first) in place.
    package func update(
        _ values: inout [Float], gradient: [Float], average: inout [Float], squares: inout [Float], step: Int, learningRate: Double
    ) {
        precondition(values.count == gradient.count && average.count == gradient.count && squares.count == gradient.count)
        let correction1 = 1 - Self.power(beta1, step), correction2 = (1 - Self.power(beta2, step)).squareRoot()
        let decay = Float(1 - learningRate * weightDecay), size = Float(learningRate / correction1), root = Float(correction2)
        // 1 - beta is rounded once, from double: in single precision it would be off by 1e-5.
        let (new1, new2, old2) = (Float(1 - beta1), Float(1 - beta2), Float(beta2)), epsilon = Float(epsilon)
        for i in values.indices {
            values[i] *= decay
            average[i].addProduct(new1, gradient[i] - average[i])
            squares[i] = squares[i] * old2 + gradient[i] * gradient[i] * new2
            values[i] -= size * (average[i] / (squares[i].squareRoot() / root + epsilon))
        }
    }

    private static func power(_ base: Double, _ exponent: Int) -> Double {
        var (result, factor, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= factor }
            factor *= factor
            rest >>= 1
        }
        return result
    }
}

/// Keeps a step's gradient within bounds.
enum GradientClipping {
    /// Scales the gradient down to a norm of at most `limit`, as `torch.nn.utils.clip_grad_norm_`.
    static func clip(_ gradient: inout [Float], norm limit: Double) {
        let norm = Self.norm(gradient), factor = Float(limit / (norm + 1e-6))
        guard factor < 1 else { return }
        for i in gradient.indices { gradient[i] *= factor }
    }

    /// Cuts every element to the range from -limit to limit.
    static func clip(_ gradient: inout [Float], value limit: Double) {
        let bound = Float(limit)
        for i in gradient.indices { gradient[i] = min(max(gradient[i], -bound), bound) }
    }

    static func norm(_ values: [Float]) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
}
