// SPDX-License-Identifier: Apache-2.0
import Tensors
import Testing

@testable import StableDiffusion

/// Weights drawn for whatever is asked for.
private final class DrawnParameters: ParameterSource {
    private var drawn = 0

    func holds(_ path: String) -> Bool { true }

    func tensor(_ path: String, shape: [Int]) throws -> Tensor {
        drawn += 1
        return RandomDraws(seed: 11, sample: drawn, stream: .weights).normalTensor(shape)
    }

    func weight(_ path: String, shape: [Int]) throws -> Weight { Weight(try tensor(path, shape: shape)) }
}

/// Serialized: the amount of memory is the process's.
@Suite(.serialized) struct FeedForwardTests {
    /// 2 x 37 rows, 11 of them at a time: seven pieces of unequal size.
    @Test(arguments: [ProductPrecision.f32, .bf16]) func someRowsAtATimeGiveTheSameBits(precision: ProductPrecision) throws {
        let layer = try FeedForward(Parameters(DrawnParameters(), precision: precision), width: 16, leanLimit: 11 * 128)
        let draw = { RandomDraws(seed: 12, sample: $0, stream: .weights).normalTensor([2, 37, 16]) }
        func run(_ memory: Compute.Memory) throws -> (output: Tensor, gradient: Tensor, isKept: Bool) {
            Compute.memory = memory
            defer { Compute.memory = .fast }
            var saved: FeedForward.Saved?
            let output = layer.forward(draw(0), saving: &saved)
            let kept = try #require(saved)
            return (output, layer.inputGradient(draw(1), kept), kept.gateInput != nil)
        }
        let fast = try run(.fast), lean = try run(.lean)
        #expect(fast.isKept && !lean.isKept)
        #expect(fast.output.values == lean.output.values && fast.output.shape == lean.output.shape)
        #expect(fast.gradient.values == lean.gradient.values && fast.gradient.shape == lean.gradient.shape)
    }
}
