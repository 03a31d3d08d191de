// SPDX-License-Identifier: Apache-2.0

/// Cosine, sine and logarithm with the same bits on every machine.
///
/// The C library's own differ in the last bit between releases and kinds of CPU. These use +, -, * and / of IEEE 754 alone, in the order
/// in which they are written: Swift neither reorders them nor joins a product and a sum. Within 1 ulp of the true value.
package enum PortableMath {
    /// Larger angles are refused: their reduction would need more digits of pi.
    package static let largestAngle = 65_536.0

    /// - Parameter x: radians, from -`largestAngle` to `largestAngle`.
    package static func cos(_ x: Double) -> Double {
        let (quadrant, angle) = reduced(x)
        switch quadrant {
        case 0: return cosine(angle)
        case 1: return -sine(angle)
        case 2: return -cosine(angle)
        default: return sine(angle)
        }
    }

    /// - Parameter x: radians, from -`largestAngle` to `largestAngle`.
    package static func sin(_ x: Double) -> Double {
        let (quadrant, angle) = reduced(x)
        switch quadrant {
        case 0: return sine(angle)
        case 1: return cosine(angle)
        case 2: return -sine(angle)
        default: return -cosine(angle)
        }
    }

    /// The natural logarithm of a positive, finite, normal number.
    ///
    /// With x = 2^k (1 + f) and s = f / (2 + f): log x = k log 2 + 2 artanh s, and 2 artanh s = 2 s (1 + s^2/3 + s^4/5 + ...).
    package static func log(_ x: Double) -> Double {
        precondition(x.isNormal && x > 0, "the logarithm of \(x)")
        var (exponent, f) = (x.exponent, x.significand)
        // From 1/sqrt 2 to sqrt 2, so that the series is short.
        if f > 1.414_213_562_373_095_1 {
            f *= 0.5
            exponent += 1
        }
        f -= 1
        let k = Double(exponent), s = f / (2 + f), z = s * s, half = 0.5 * f * f
        // 2/3 z + 2/5 z^2 + 2/7 z^3 + ...
        var sum = 0.0
        for divisor in [23.0, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3] { sum = (sum + 2 / divisor) * z }
        // f - s (f - sum) with the rounding of f alone: f^2/2 is what s f and f differ by.
        return k * 0x1.62e42feep-1 - ((half - (s * (half + sum) + k * 0x1.a39ef35793c76p-33)) - f)
    }

    // MARK: - Angles

    /// An angle from -pi/4 to pi/4 as a sum of two numbers.
    private typealias Angle = (high: Double, low: Double)

    /// x less the nearest multiple of pi/2, and which multiple it was, modulo 4.
    private static func reduced(_ x: Double) -> (quadrant: Int, angle: Angle) {
        precondition(x.magnitude <= largestAngle, "an angle of \(x)")
        let n = (x * 0x1.45f306dc9c883p-1).rounded(.toNearestOrEven)
        // pi/2 in three parts; the first two have 33 bits, so that their products with n are exact, and so is the first difference.
        let first = x - n * 0x1.921fb544p+0, second = n * 0x1.0b4611a6p-34, third = n * 0x1.3198a2e037073p-69
        let (difference, lost) = exactSum(first, -second)
        let high = difference + (lost - third)
        return (Int(n) & 3, (high, (difference - high) + (lost - third)))
    }

    /// a + b rounded, and what the rounding lost (Knuth).
    private static func exactSum(_ a: Double, _ b: Double) -> (sum: Double, lost: Double) {
        let sum = a + b, part = sum - a
        return (sum, (a - (sum - part)) + (b - part))
    }

    /// x - x^3/3! + x^5/5! and so on, up to x^17.
    private static func sine(_ x: Angle) -> Double {
        let z = x.high * x.high
        var sum = 0.0
        for divisor in [272.0, 210, 156, 110, 72, 42, 20] { sum = (1 - sum) * (z / divisor) }
        // -x^3/6 (1 - z/20 (1 - ...)), and the low part's share: low cos x.
        let cubic = x.high * z * (1 - sum) * (1 / 6.0)
        return x.high - (cubic - x.low * (1 - 0.5 * z))
    }

    /// 1 - x^2/2! + x^4/4! and so on, up to x^18.
    private static func cosine(_ x: Angle) -> Double {
        let z = x.high * x.high, half = 0.5 * z
        var sum = 0.0
        for divisor in [306.0, 240, 182, 132, 90, 56, 30] { sum = (1 - sum) * (z / divisor) }
        let quartic = z * z * (1 - sum) * (1 / 24.0), rounded = 1 - half
        // What rounding 1 - x^2/2 lost comes back with the small terms; the low part's share is -low sin x.
        return rounded + (((1 - rounded) - half) + (quartic - x.high * x.low))
    }
}
