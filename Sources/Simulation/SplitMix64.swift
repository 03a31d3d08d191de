// SPDX-License-Identifier: Apache-2.0

/// The splitmix64 generator (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
package struct SplitMix64: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return Self.mix(state)
    }

    /// Its finalizer: a good hash of 64 bits.
    static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A number from 0 up to `bound`; cheap, and a little uneven for huge bounds.
    mutating func below(_ bound: Int) -> Int {
        Int((next() >> 33) % UInt64(max(1, bound)))
    }

    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }
}
