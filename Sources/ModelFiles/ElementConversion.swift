// SPDX-License-Identifier: Apache-2.0

import Glibc

// Conversions between stored elements and Float, over raw and possibly unaligned bytes. The loops run over whole models
// (860 million elements), so they are branch-free integer arithmetic that the compiler turns into vector code on any x86-64:
// Swift's Float16 would call a library function per element there.

/// The value of IEEE half-precision bits; exact, including subnormals, infinities and NaN.
@inline(__always)
package func float(half bits: UInt16) -> Float {
    let shifted = UInt32(bits & 0x7FFF) << 13
    let exponent = shifted & 0x0F80_0000
    let normal = shifted &+ (112 << 23)
    // Subnormal: set the implicit bit at 2^-14 and subtract it again, which needs no subnormal Float on the way.
    let subnormal = (Float(bitPattern: shifted &+ (113 << 23)) - Float(bitPattern: 113 << 23)).bitPattern
    let special = shifted | 0x7F80_0000
    let magnitude = exponent == 0x0F80_0000 ? special : (exponent == 0 ? subnormal : normal)
    return Float(bitPattern: magnitude | UInt32(bits & 0x8000) << 16)
}

/// The half-precision bits nearest to `value`, ties to even; beyond 65504 (+ half a step) becomes infinity.
@inline(__always)
package func halfBits(_ value: Float) -> UInt16 {
    let sign = UInt16(truncatingIfNeeded: value.bitPattern >> 16) & 0x8000
    let magnitude = value.bitPattern & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    if magnitude >= 0x4780_0000 { return sign | 0x7C00 }
    if magnitude < 0x3880_0000 {
        // Adding 0.5 lines the last half-precision bit up with the last Float bit, so the addition itself rounds.
        let aligned = (Float(bitPattern: magnitude) + 0.5).bitPattern
        return sign | UInt16(truncatingIfNeeded: aligned &- 0x3F00_0000)
    }
    let odd = (magnitude >> 13) & 1
    let rounded = magnitude &- (112 << 23) &+ 0xFFF &+ odd
    return sign | UInt16(truncatingIfNeeded: rounded >> 13)
}

/// Converts `source.count / type.byteCount` elements to Float; `destination` must hold exactly that many.
///
/// F32 is copied, F16 and BF16 are exact; F64 and the integers round to nearest; BOOL becomes 0 or 1.
package func convert(_ source: UnsafeRawBufferPointer, from type: ElementType, into destination: UnsafeMutableBufferPointer<Float>) {
    precondition(source.count == destination.count * type.byteCount, "\(source.count) bytes for \(destination.count) elements")
    guard let from = source.baseAddress, let to = destination.baseAddress else { return }
    let count = destination.count
    switch type {
    case .float32:
        memcpy(to, from, source.count)
    case .float16:
        for index in 0..<count { to[index] = float(half: from.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)) }
    case .bfloat16:
        for index in 0..<count {
            to[index] = Float(bitPattern: UInt32(from.loadUnaligned(fromByteOffset: 2 &* index, as: UInt16.self)) << 16)
        }
    case .float64:
        for index in 0..<count { to[index] = Float(from.loadUnaligned(fromByteOffset: 8 &* index, as: Double.self)) }
    case .int64, .int32, .int16, .int8, .uint8, .bool:
        for index in 0..<count { to[index] = Float(integer(from, index, type)) }
    }
}

/// Element `index` of an integer or boolean tensor that starts at `bytes`.
func integer(_ bytes: UnsafeRawPointer, _ index: Int, _ type: ElementType) -> Int {
    let offset = index * type.byteCount
    switch type {
    case .int64: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int64.self))
    case .int32: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self))
    case .int16: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int16.self))
    case .int8: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: Int8.self))
    case .uint8: return Int(bytes.loadUnaligned(fromByteOffset: offset, as: UInt8.self))
    case .bool: return bytes.loadUnaligned(fromByteOffset: offset, as: UInt8.self) == 0 ? 0 : 1
    case .float64, .float32, .float16, .bfloat16: preconditionFailure("\(type.rawValue) is not an integer type")
    }
}
