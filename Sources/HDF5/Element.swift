// SPDX-License-Identifier: Apache-2.0

import CHDF5

/// The numbers that a dataset can hold.
///
/// In the file they are always little-endian and of the named width.
package enum ElementKind: Sendable {
    case float32, float64, int64

    package var size: Int { self == .float32 ? 4 : 8 }

    var name: String {
        switch self {
        case .float32: "32-bit little-endian floats"
        case .float64: "64-bit little-endian floats"
        case .int64: "64-bit little-endian integers"
        }
    }

    var fileType: hid_t {
        switch self {
        case .float32: chdf5_file_float32()
        case .float64: chdf5_file_float64()
        case .int64: chdf5_file_int64()
        }
    }

    var memoryType: hid_t {
        switch self {
        case .float32: chdf5_native_float32()
        case .float64: chdf5_native_float64()
        case .int64: chdf5_native_int64()
        }
    }
}

/// A Swift number that has an `ElementKind`.
///
/// Conformances exist only here: the memory layout must be the kind's.
package protocol HDF5Element: BitwiseCopyable, Sendable {
    static var kind: ElementKind { get }
    static var zero: Self { get }
}

extension Float: HDF5Element { package static var kind: ElementKind { .float32 } }
extension Double: HDF5Element { package static var kind: ElementKind { .float64 } }
extension Int64: HDF5Element { package static var kind: ElementKind { .int64 } }
