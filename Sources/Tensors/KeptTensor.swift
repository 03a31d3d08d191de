// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// A tensor that is kept for the gradient: as it is, or rounded to bf16 in half the memory where the layer multiplies in bf16.
package struct KeptTensor: Sendable {
    package let shape: [Int]
    private let memory: Tensor
    private let isRounded: Bool

    package init(_ tensor: Tensor, _ precision: ProductPrecision) {
        shape = tensor.shape
        isRounded = precision == .bf16 && Compute.backend == .own
        memory = isRounded ? Tensor(roundedPairs: tensor) : tensor
    }

    /// The tensor again; what was rounded is widened into new memory.
    package var tensor: Tensor {
        guard isRounded else { return memory }
        let result = Tensor(uninitialized: shape)
        parallelRanges(result.count, minimum: 65536) { range in
            pw_widen_bf16(memory.halves + range.lowerBound, result.pointer + range.lowerBound, range.count)
        }
        return result
    }
}

extension Tensor {
    /// The elements rounded to bf16, two in each of this tensor's floats.
    init(roundedPairs tensor: Tensor) {
        self.init(uninitialized: [(tensor.count + 1) / 2])
        let target = halves
        parallelRanges(tensor.count, minimum: 65536) { range in
            pw_round_bf16(tensor.pointer + range.lowerBound, target + range.lowerBound, range.count)
        }
    }
}
