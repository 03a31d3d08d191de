// SPDX-License-Identifier: Apache-2.0
private import PortableMath

/// What a random draw is for.
///
/// Numbers are part of the bits of every result: never reuse or renumber one.
package enum RandomStream: UInt32, Sendable {
    case picture = 1, prompt = 2, flip = 3, posterior = 4, timestep = 5, noise = 6
    case initialization = 7, sampler = 8, weights = 9, posteriorOnce = 10
    case evaluation = 16, search = 17
}

/// The random draws of one place in a study: (seed, trial, step, sample, stream).
///
/// Counter words: block number, stream and sample, step, trial; key: the seed.
package struct RandomDraws: Sendable {
    private let key: (UInt32, UInt32)
    private let place: (UInt32, UInt32, UInt32)

    package init(seed: UInt64, trial: Int = 0, step: Int = 0, sample: Int = 0, stream: RandomStream) {
        precondition(sample >= 0 && sample < 1 << 24 && step >= 0 && step <= Int(UInt32.max) && trial >= 0 && trial <= Int(UInt32.max))
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        place = (stream.rawValue << 24 | UInt32(sample), UInt32(step), UInt32(trial))
    }

    /// The n-th block of four words.
    package func block(_ number: Int) -> (UInt32, UInt32, UInt32, UInt32) {
        Philox.block(counter: (UInt32(truncatingIfNeeded: number), place.0, place.1, place.2), key: key)
    }

    /// A uniform number in 0 ..< 1 with 53 bits, the n-th of this place.
    package func uniform(_ number: Int = 0) -> Double {
        let words = block(number)
        return Double((UInt64(words.0) << 32 | UInt64(words.1)) >> 11) * 0x1p-53
    }

    /// A whole number in 0 ..< bound.
    ///
    /// The bias is below bound / 2^53.
    package func integer(below bound: Int, _ number: Int = 0) -> Int {
        precondition(bound > 0)
        return min(bound - 1, Int(uniform(number) * Double(bound)))
    }

    /// `count` standard normal numbers by Box-Muller, in double and then rounded.
    package func normals(_ count: Int) -> [Float] {
        var result = [Float]()
        result.reserveCapacity(count + 3)
        var number = 0
        while result.count < count {
            let words = block(number)
            number += 1
            for (a, b) in [(words.0, words.1), (words.2, words.3)] {
                let radius = (-2 * PortableMath.log((Double(a) + 0.5) * 0x1p-32)).squareRoot(),
                    angle = 2 * Double.pi * (Double(b) + 0.5) * 0x1p-32
                result.append(Float(radius * PortableMath.cos(angle)))
                result.append(Float(radius * PortableMath.sin(angle)))
            }
        }
        result.removeLast(result.count - count)
        return result
    }

    /// Standard normal numbers as a tensor.
    package func normalTensor(_ shape: [Int]) -> Tensor { Tensor(normals(shape.reduce(1, *)), shape: shape) }

    /// The numbers 0 ..< count in random order (Fisher and Yates).
    package func permutation(_ count: Int) -> [Int] {
        var result = Array(0..<count)
        for last in stride(from: count - 1, to: 0, by: -1) { result.swapAt(last, integer(below: last + 1, count - last)) }
        return result
    }
}
