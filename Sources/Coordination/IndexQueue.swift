// SPDX-License-Identifier: Apache-2.0

/// A set of small numbers that gives the lowest one first.
///
/// One bit a number: with ten thousand trials every operation still touches a few words only.
struct IndexQueue: Hashable, Sendable {
    private var words: [UInt64] = []
    /// No bit is set in the words before this one.
    private var lowest = 0
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    var first: Int? {
        guard count > 0, words.indices.contains(lowest) else { return nil }
        return lowest * 64 + words[lowest].trailingZeroBitCount
    }

    /// The lowest number above `index`.
    func first(after index: Int) -> Int? {
        var word = (index + 1) / 64
        guard words.indices.contains(word) else { return nil }
        var bits = words[word] & (~0 << UInt64((index + 1) % 64))
        while bits == 0 {
            word += 1
            guard word < words.count else { return nil }
            bits = words[word]
        }
        return word * 64 + bits.trailingZeroBitCount
    }

    func contains(_ index: Int) -> Bool {
        words.indices.contains(index / 64) && words[index / 64] & bit(index) != 0
    }

    mutating func insert(_ index: Int) {
        precondition(index >= 0, "indices are not negative")
        let word = index / 64
        if word >= words.count { words += Array(repeating: 0, count: word + 1 - words.count) }
        guard words[word] & bit(index) == 0 else { return }
        words[word] |= bit(index)
        lowest = count == 0 ? word : min(lowest, word)
        count += 1
    }

    mutating func formUnion(_ other: IndexQueue) {
        var next = other.first
        while let index = next {
            insert(index)
            next = other.first(after: index)
        }
    }

    mutating func remove(_ index: Int) {
        guard contains(index) else { return }
        words[index / 64] &= ~bit(index)
        count -= 1
        while count > 0, words[lowest] == 0 { lowest += 1 }
    }

    private func bit(_ index: Int) -> UInt64 { 1 << UInt64(index % 64) }
}
