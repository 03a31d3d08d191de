// SPDX-License-Identifier: Apache-2.0
import Tensors

/// How fast one case runs: the median of several runs after a warm one.
package struct OperationTiming: Sendable {
    package let name: String
    /// Seconds of one forward pass and of one gradient pass.
    package let forward: Double, gradient: Double
    /// Arithmetic in 10^9 operations a second.
    package let forwardRate: Double, gradientRate: Double
    /// Inputs read once and output written once, in 10^9 bytes a second: what memory would have to deliver without any reuse.
    package let forwardBandwidth: Double

    /// - Parameter seconds: how long to repeat each of the two passes.
    package init(_ item: OperationCase, seconds: Double = 0.3) {
        let inputs = item.makeInputs(), pass = item.forward(inputs), outputGradient = item.makeOutputGradient(shape: pass.output.shape)
        name = item.name
        forward = Self.median(seconds) { _ = item.forward(inputs) }
        gradient = Self.median(seconds) { _ = pass.inputGradients(outputGradient) }
        forwardRate = item.work.forward / forward / 1e9
        gradientRate = item.work.gradient / gradient / 1e9
        forwardBandwidth = 4 * Double(inputs.reduce(pass.output.count) { $0 + $1.count }) / forward / 1e9
    }

    private static func median(_ seconds: Double, _ body: () -> Void) -> Double {
        let clock = ContinuousClock()
        body()
        var samples: [Double] = [], total = 0.0
        while samples.count < 3 || (total < seconds && samples.count < 10_000) {
            let elapsed = clock.measure(body) / .seconds(1)
            samples.append(elapsed)
            total += elapsed
        }
        return max(samples.sorted()[samples.count / 2], 1e-9)
    }
}
