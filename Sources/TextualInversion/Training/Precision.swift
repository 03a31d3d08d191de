// SPDX-License-Identifier: Apache-2.0
package import Studies
package import Tensors

extension Precision {
    /// What this processor computes a study in: `auto` takes bf16 where it is fast.
    ///
    /// - Throws: `InversionError` with the code `machine` for bf16 on a processor that lacks it.
    package func ofProducts() throws -> ProductPrecision {
        switch self {
        case .f32: return .f32
        case .auto: return ProductPrecision.hasFastBF16 ? .bf16 : .f32
        case .bf16:
            guard ProductPrecision.allowsBF16 else {
                throw InversionError(
                    .machine,
                    "training.precision is bf16, but this processor has no instructions for it (AVX512_BF16); use f32, or auto, which takes bf16 where it is fast"
                )
            }
            return .bf16
        }
    }
}
