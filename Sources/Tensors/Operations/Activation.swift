// SPDX-License-Identifier: Apache-2.0
internal import CKernels

/// An element-wise non-linearity.
package enum Activation: String, Sendable, CaseIterable {
    case none
    /// x sigmoid(x)
    case silu
    /// x Phi(x), with the exact normal distribution function
    case gelu
    /// x sigmoid(1.702 x), as in OpenAI's CLIP
    case quickGELU = "quick_gelu"

    var kernel: pw_activation {
        switch self {
        case .none: PW_ACTIVATION_NONE
        case .silu: PW_ACTIVATION_SILU
        case .gelu: PW_ACTIVATION_GELU
        case .quickGELU: PW_ACTIVATION_QUICK_GELU
        }
    }

    package func forward(_ input: Tensor) -> Tensor {
        let result = Tensor(uninitialized: input.shape)
        parallelRanges(input.count, minimum: 16384) { range in
            pw_activate(kernel, input.pointer + range.lowerBound, result.pointer + range.lowerBound, range.count)
        }
        return result
    }

    /// dL/dx from the input x and dL/dy.
    package func inputGradient(_ outputGradient: Tensor, input: Tensor) -> Tensor {
        precondition(outputGradient.count == input.count)
        let result = Tensor(uninitialized: input.shape)
        parallelRanges(input.count, minimum: 16384) { range in
            let at = range.lowerBound
            pw_activate_gradient(kernel, input.pointer + at, outputGradient.pointer + at, result.pointer + at, range.count)
        }
        return result
    }
}

/// a gelu(g), where a is the first and g the second half of each row (Shazeer 2020, arXiv 2002.05202).
package enum GatedGELU {
    /// [..., 2 W] -> [..., W].
    package static func forward(_ input: Tensor) -> Tensor {
        precondition(input.width % 2 == 0)
        let width = input.width / 2
        let result = Tensor(uninitialized: input.shape.dropLast() + [width])
        parallelRanges(input.rowCount, minimum: max(1, 16384 / width)) { range in
            pw_geglu(input.pointer + range.lowerBound * 2 * width, result.pointer + range.lowerBound * width, range.count, width)
        }
        return result
    }

    /// dL/dx [..., 2 W] from the input and dL/dy [..., W].
    package static func inputGradient(_ outputGradient: Tensor, input: Tensor) -> Tensor {
        let width = input.width / 2
        precondition(outputGradient.count * 2 == input.count)
        let result = Tensor(uninitialized: input.shape)
        parallelRanges(input.rowCount, minimum: max(1, 16384 / width)) { range in
            let at = range.lowerBound
            pw_geglu_gradient(
                input.pointer + at * 2 * width, outputGradient.pointer + at * width, result.pointer + at * 2 * width, range.count, width)
        }
        return result
    }
}
