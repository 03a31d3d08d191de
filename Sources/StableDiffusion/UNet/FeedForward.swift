// SPDX-License-Identifier: Apache-2.0
import Tensors

/// The gated feed-forward layer of a transformer block, with its norm and skip connection: `diffusers.FeedForward` with GEGLU.
///
/// What lies between its two linear layers is the largest of all intermediate results. When memory is short, it exists for some rows at a
/// time only, and the gradient computes it again.
struct FeedForward: Sendable {
    struct Saved: Sendable {
        let norm: LayerNorm.Saved
        /// Nil when memory is short.
        let gateInput: KeptTensor?
    }

    private let norm: LayerNorm
    private let widen: Linear, narrow: Linear
    private let precision: ProductPrecision
    private let leanLimit: Int

    /// - Parameters:
    ///   - parameters: of the transformer block.
    ///   - leanLimit: numbers between the linear layers at once when memory is short.
    init(_ parameters: Parameters, width: Int, leanLimit: Int = 4 << 20) throws {
        // Kept in f32, so that what is computed again has the bits of what would have been kept.
        norm = try (parameters / "norm3").inF32.layerNorm(width: width, epsilon: 1e-5)
        widen = try (parameters / "ff" / "net" / 0 / "proj").linear(inputs: width, outputs: 8 * width)
        narrow = try (parameters / "ff" / "net" / 2).linear(inputs: 4 * width, outputs: width)
        precision = parameters.precision
        self.leanLimit = leanLimit
    }

    /// [N, T, width] -> [N, T, width].
    func forward(_ input: Tensor, saving saved: inout Saved?) -> Tensor {
        var keptNorm: LayerNorm.Saved?
        let normal = norm.forward(input, saving: &keptNorm)
        guard Compute.memory == .lean else {
            let gate = widen.forward(normal)
            saved = keptNorm.map { Saved(norm: $0, gateInput: KeptTensor(gate, precision)) }
            return narrow.forward(GatedGELU.forward(gate), adding: input)
        }
        saved = keptNorm.map { Saved(norm: $0, gateInput: nil) }
        return byRows(input.shape) { rows in
            narrow.forward(GatedGELU.forward(widen.forward(normal.rows(rows))), adding: input.rows(rows))
        }
    }

    /// dL/d input from dL/d output, both [N, T, width].
    func inputGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        Addition.forward(outputGradient, norm.inputGradient(normalGradient(outputGradient, saved), saved.norm))
    }

    private func normalGradient(_ outputGradient: Tensor, _ saved: Saved) -> Tensor {
        if let kept = saved.gateInput {
            return widen.inputGradient(GatedGELU.inputGradient(narrow.inputGradient(outputGradient), input: kept.tensor))
        }
        let normal = norm.forward(saved.norm.input)
        return byRows(outputGradient.shape) { rows in
            let gate = KeptTensor(widen.forward(normal.rows(rows)), precision).tensor
            return widen.inputGradient(GatedGELU.inputGradient(narrow.inputGradient(outputGradient.rows(rows)), input: gate))
        }
    }

    /// A result of the given shape, computed for as many rows at a time as memory allows.
    private func byRows(_ shape: [Int], _ body: (Range<Int>) -> Tensor) -> Tensor {
        let rows = shape.dropLast().reduce(1, *), most = max(1, leanLimit / widen.outputs)
        // A library's sums may depend on how many rows it gets.
        let pieces = Compute.backend == .own ? (rows + most - 1) / most : 1
        return Tensor(joining: (0..<pieces).map { body(rows * $0 / pieces..<rows * ($0 + 1) / pieces) }, shape: shape)
    }
}
