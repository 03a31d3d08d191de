// SPDX-License-Identifier: Apache-2.0
private import CKernels

/// The precision in which products multiply.
///
/// Their sums are f32, and everything else but what is kept for the gradient (`KeptTensor`).
package enum ProductPrecision: String, Sendable, CaseIterable {
    case f32
    /// Both operands of a product are rounded to bf16 when it reads them.
    case bf16

    /// Whether this processor multiplies bf16 by an instruction of its own.
    package static var hasFastBF16: Bool { pw_has_bf16() != 0 }

    /// `PSEUDOWORD_BF16=slow` lets any processor compute bf16, about as exactly and at a third of f32's speed: for tests.
    package static var allowsBF16: Bool { hasFastBF16 || environment("PSEUDOWORD_BF16") == "slow" }

    /// Whether a product over `depth` elements runs on pairs; an odd one, and a library, multiply in f32.
    func pairs(_ depth: Int) -> Bool { self == .bf16 && depth % 2 == 0 && Compute.backend == .own }
}

/// The left operands that a tensor's rows give: as they are, or rounded to bf16, two neighbours of the last dimension in each element.
struct LeftRows {
    private let memory: Tensor
    private let unit: Int

    /// - Parameter isPaired: the rows have an even length.
    init(_ tensor: Tensor, isPaired: Bool) {
        unit = isPaired ? 2 : 1
        memory = isPaired ? Tensor(roundedPairs: tensor) : tensor
    }

    /// Rows `stride` elements apart, the first at element `offset`; both even.
    func at(_ offset: Int, stride: Int) -> LeftOperand {
        LeftOperand(pointer: memory.pointer + offset / unit, stride: stride / unit, isPaired: unit == 2)
    }
}

extension Tensor {
    /// The same memory as bf16 numbers, twice as many.
    var halves: UnsafeMutablePointer<UInt16> { pointer.halves }
}

extension UnsafeMutablePointer<Float> {
    /// Never read as floats while it holds them.
    var halves: UnsafeMutablePointer<UInt16> { UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt16.self) }
    var pairs: UnsafeMutablePointer<UInt32> { UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt32.self) }
}
